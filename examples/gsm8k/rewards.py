"""Rewards for worked solutions in GSM8K's notation: ``<<48/2=24>>`` annotations, then ``#### 24``.

Each takes prompts, responses and the prompt records' further fields by name, and returns one number in
[0, 1] per response. All of them can be verified: no judge, no second model.
"""

import ast
import math
import operator
import re
from fractions import Fraction

MAX_EXPRESSION_CHARACTERS = 64
"""GSM8K's longest annotation has 36; what is longer is not evaluated."""
MAX_NESTING = 8
USEFUL_WORDS = 8
"""A solution of fewer different words says too little to earn the full reward for brevity."""
TYPICAL_WORDS = 30
"""Length at which brevity is one half."""
WORD_SCALE = 8.0
"""How many words more make brevity's odds e times smaller."""

_ANNOTATION = re.compile(r"<<([^<>]*)>>")
# ASCII only: \d alone also matches the digits of other scripts.
_NUMBER = re.compile(r"-?(\d{1,3}(,\d{3})+|\d+)?(\.\d+)?", re.ASCII)
_EXPRESSION = re.compile(r"[0-9.+\-*/() ]+")
_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}
_SIGNS = {ast.USub: operator.neg, ast.UAdd: operator.pos}


def arithmetic_validity(prompts: list[str], responses: list[str], **fields: list) -> list[float]:
    """Reward annotations that are true.

    Args:
        prompts: the p prompts.
        responses: one response per prompt.
        **fields: further fields of the prompt records; not used.

    Returns:
        p numbers in [0, 1]: the share of ``<<expression=value>>`` that hold, 0 where there is none.
        ``<<5=5>>`` calculates nothing and does not count, else it would be the easy way to a full reward.
    """
    return [_share_true(annotations(response)) for response in responses]


def answer_format(prompts: list[str], responses: list[str], **fields: list) -> list[float]:
    """Reward solutions that end in one well-formed answer.

    Args:
        prompts: the p prompts.
        responses: one response per prompt.
        **fields: further fields of the prompt records; not used.

    Returns:
        p numbers, 1 where the last line, and nothing before it, is ``#### NUMBER``; else 0.
    """
    return [float(final_answer(response) is not None) for response in responses]


def brevity(prompts: list[str], responses: list[str], **fields: list) -> list[float]:
    """Reward short solutions that still say something.

    Args:
        prompts: the p prompts.
        responses: one response per prompt.
        **fields: further fields of the prompt records; not used.

    Returns:
        p numbers in [0, 1]: falls smoothly with the number of words, and is 0 for an empty reply.
    """
    return [_brevity(response.lower().split()) for response in responses]


def correct_answer(prompts: list[str], responses: list[str], *, answer: list[str], **fields: list) -> list[float]:
    """Tell whether the final answer is right; meant to be reported, a tiny model cannot learn it.

    Args:
        prompts: the p prompts.
        responses: one response per prompt.
        answer: the right final number of each prompt, as text.
        **fields: further fields of the prompt records; not used.

    Returns:
        p numbers, 1 where the response's ``#### NUMBER`` equals the answer; else 0.
    """
    return [
        float((given := final_answer(response)) is not None and given == _number(right))
        for response, right in zip(responses, answer, strict=True)
    ]


def final_answer(response: str) -> Fraction | None:
    """Read the number after ``####``.

    Args:
        response: a solution.

    Returns:
        The number, or None unless the last line, and nothing before it, is ``#### NUMBER``.
    """
    head, mark, tail = response.rstrip().rpartition("#### ")
    if not mark or "####" in head or not (head == "" or head.endswith("\n")):
        return None
    return _number(tail)


def annotations(text: str) -> list[str]:
    """What stands between each ``<<`` and ``>>`` of a text.

    Args:
        text: a solution.

    Returns:
        The annotations in their order.
    """
    return _ANNOTATION.findall(text)


def is_true(annotation: str) -> bool:
    """Decide whether ``expression=value`` holds, to the decimals that the value gives.

    Nothing is executed: the text is parsed, and only numbers, ``+ - * / // ( )`` and signs are
    evaluated, exactly. Whatever else it holds, or a division by zero, makes it false.

    Args:
        annotation: what stands between ``<<`` and ``>>``.
    """
    expression, equals, result = annotation.replace("$", "").partition("=")
    if not equals or len(annotation) > MAX_EXPRESSION_CHARACTERS:
        return False
    value, stated = _evaluate(expression), _number(result.strip())
    if value is None or stated is None:
        return False
    decimals = len(result.strip().partition(".")[2])
    return abs(value - stated) <= Fraction(1, 2 * 10**decimals)


def _share_true(annotations: list[str]) -> float:
    claims = [annotation for annotation in annotations if not _restates(annotation)]
    return sum(map(is_true, claims)) / len(claims) if claims else 0.0


def _restates(annotation: str) -> bool:
    """Whether both sides are the same number, written out."""
    left, _, right = annotation.partition("=")
    return (number := _number(left.strip().lstrip("+"))) is not None and number == _number(right)


def _brevity(words: list[str]) -> float:
    # Different words, so that repeating one does not count as saying something.
    useful = min(1.0, len(set(words)) / USEFUL_WORDS)
    return useful * 0.5 * (1.0 - math.tanh((len(words) - TYPICAL_WORDS) / (2.0 * WORD_SCALE)))


def _number(text: str) -> Fraction | None:
    """Read ``1,234.5``; None if it is anything else or absurdly long."""
    digits = text.strip().removeprefix("$")
    if len(digits) > MAX_EXPRESSION_CHARACTERS or not _NUMBER.fullmatch(digits) or not digits.strip("-"):
        return None
    return Fraction(digits.replace(",", ""))


def _evaluate(expression: str) -> Fraction | None:
    """The exact value of an arithmetic expression, or None if it is not one."""
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", expression).strip()
    if not _EXPRESSION.fullmatch(text) or text.count("(") > MAX_NESTING:
        return None
    try:
        return _value(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError):
        return None


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as number):
            # Through the text, so that 0.1 is one tenth and not the nearest binary fraction.
            return Fraction(repr(number))
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _SIGNS:
            return _SIGNS[type(sign)](_value(operand))
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _OPERATORS:
            # Floor division gives an int, and an int divided by an int would be a float.
            return Fraction(_OPERATORS[type(operation)](_value(left), _value(right)))
        case _:
            raise ValueError("not arithmetic")
