"""The verifier of numeric answers: numbers are found in text and compared exactly, as rationals."""

import math
from collections.abc import Callable
from fractions import Fraction

from palm.config.rewards import NumberVerifier

_MAX_CHARACTERS = 100
"""Longer ones are no answer; Python's integers from text grow with the square of their length."""
_UNSIGNED = r"[$€£]?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?"
# Not inside words, versions (1.2.3) and ill-grouped digits (1,2345); the minus of 3-5 is no sign.
_IN_TEXT = rf"(?:(?<![\w.,)])[-+])?(?<![\w.,]){_UNSIGNED}(?!\w|[.,]\d)"
_MINUS = str.maketrans("−", "-")


def number_verifier(spec: NumberVerifier) -> Callable[..., list[float]]:
    """Make the function that compares each response's number with its prompt's.

    It raises ValueError where the field is missing or holds no number.
    """
    import regex

    pattern = regex.compile(spec.pattern or _IN_TEXT)
    tolerance = Fraction(repr(spec.tolerance))

    def given(response: str) -> Fraction | None:
        # The minus sign of typography is read like any other.
        found = list(pattern.finditer(response.translate(_MINUS), concurrent=True, timeout=2 * spec.timeout_seconds))
        return parse_number(found[-1][1 if pattern.groups else 0]) if found else None

    def function(prompts: list[str], responses: list[str], **fields: list) -> list[float]:
        if spec.field not in fields:
            raise ValueError(f"the prompts have no field {spec.field!r}; they have {sorted(fields)}")
        return [
            _equal(given(response), _right(answer, spec.field), tolerance)
            for response, answer in zip(responses, fields[spec.field], strict=True)
        ]

    return function


def parse_number(text: str | None) -> Fraction | None:
    """Read a number as people write it: ``1,234.50``, ``−3``, ``.5``, ``2e-3``, with a currency sign before it.

    None if the text, apart from white space, is anything else.
    """
    import regex

    digits = (text or "").strip().translate(_MINUS)
    if len(digits) > _MAX_CHARACTERS or not regex.fullmatch(rf"[-+]?{_UNSIGNED}", digits):
        return None
    return Fraction(regex.sub("[,$€£]", "", digits))


def _right(answer, field: str) -> Fraction:
    if isinstance(answer, bool) or (isinstance(answer, float) and not math.isfinite(answer)):
        number = None
    else:
        # A float through its text, so that 0.1 is one tenth and not the nearest binary fraction.
        number = parse_number(str(answer))
    if number is None:
        raise ValueError(f"field {field!r} holds {answer!r}, which is not a number")
    return number


def _equal(given: Fraction | None, right: Fraction, tolerance: Fraction) -> float:
    return float(given is not None and abs(given - right) <= tolerance)
