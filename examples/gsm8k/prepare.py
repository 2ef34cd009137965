"""Write the GSM8K example's corpus and prompts from a folder that holds the data set."""

import json
import random
import re
from dataclasses import dataclass
from pathlib import Path

from palm.errors import DataError

from .rewards import annotations, arithmetic_validity

SEED = 7
N_TRAIN_PROMPTS = 256
N_EVAL_PROMPTS = 384
MAX_QUESTION_CHARACTERS = 240
MAX_SOLUTION_CHARACTERS = 240
"""About a third of GSM8K, and the easier third: a model that pretrains in minutes on a processor has no
capacity for more, and rollouts of long solutions would be slow. So scores here are not GSM8K's."""
CALCULATIONS_PER_RECORD = 6
"""So many calculations are about as long as a solution."""

_SOLUTION = re.compile(r".*^#### (-?[\d,]+(?:\.\d+)?)\s*", re.ASCII | re.DOTALL | re.MULTILINE)
_REMEDY = "download train.jsonl and test.jsonl of GSM8K and pass their folder with --data"


@dataclass(frozen=True)
class Problem:
    """A question with its worked solution.

    Args:
        question: the question.
        solution: the steps, with annotations, and ``#### NUMBER`` as the last line.
        answer: that number, as text and without thousands separators.
    """

    question: str
    solution: str
    answer: str


def prepare(directory: Path, data: Path | None) -> None:
    """Write ``corpus.jsonl``, ``prompts_train.jsonl`` and ``prompts_eval.jsonl`` into a folder.

    Only short problems are used. The corpus and the training prompts are different train problems,
    the evaluation prompts are test problems, so no question is in two of the files. The corpus also has the
    calculations of all train problems but the training prompts, long ones too, each calculation once.

    Args:
        directory: where the files go; created if missing.
        data: folder with GSM8K's ``train.jsonl`` and ``test.jsonl``.

    Raises:
        DataError: the folder or a file is missing, malformed, or holds too few short problems.
    """
    if data is None:
        raise DataError("data=None", rule="the gsm8k example needs the GSM8K data set", remedy=_REMEDY)
    train, test = read_problems(data / "train.jsonl"), read_problems(data / "test.jsonl")
    rng = random.Random(SEED)
    train_prompts = _choose(train, N_TRAIN_PROMPTS, rng, place=data / "train.jsonl")
    known = {problem.question for problem in train}
    new = [problem for problem in test if problem.question not in known]
    eval_prompts = _choose(new, N_EVAL_PROMPTS, rng, place=data / "test.jsonl")
    reserved = {problem.question for problem in train_prompts}
    rest = [problem for problem in train if problem.question not in reserved]
    corpus = [{"prompt": p.question, "response": p.solution} for p in rest if _is_short(p)]
    directory.mkdir(parents=True, exist_ok=True)
    _write(directory / "corpus.jsonl", [*corpus, *_calculations(rest, rng)])
    _write(directory / "prompts_train.jsonl", [{"prompt": p.question, "answer": p.answer} for p in train_prompts])
    _write(directory / "prompts_eval.jsonl", [{"prompt": p.question, "answer": p.answer} for p in eval_prompts])


def read_problems(path: Path) -> list[Problem]:
    """Read one file of GSM8K.

    Args:
        path: JSONL file, each line with ``question`` and ``answer``.

    Returns:
        The problems, at least one, without repeated questions.

    Raises:
        DataError: the file is missing or a line is not such a problem.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(str(path), rule=f"cannot be read ({error})", remedy=_REMEDY) from error
    problems = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            problem = _problem(line, f"{path} line {number}")
            problems.setdefault(problem.question, problem)
    if not problems:
        raise DataError(str(path), rule="holds no problems", remedy=_REMEDY)
    return list(problems.values())


def _problem(line: str, place: str) -> Problem:
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(place, rule=f"is not JSON ({error})", remedy=_REMEDY) from error
    if not isinstance(record, dict):
        raise DataError(f"{place}: {line[:60]}", rule="must be a JSON object", remedy=_REMEDY)
    for key in ("question", "answer"):
        if not isinstance(record.get(key), str) or not record[key].strip():
            raise DataError(f"{place}: {key}={record.get(key)!r}", rule="must be a non-empty string", remedy=_REMEDY)
    match = _SOLUTION.fullmatch(record["answer"])
    if match is None:
        raise DataError(
            f"{place}: answer={record['answer'][-60:]!r}",
            rule="must end in a line `#### NUMBER`",
            remedy=_REMEDY,
        )
    return Problem(record["question"], record["answer"], match[1].replace(",", ""))


def _is_short(problem: Problem) -> bool:
    return len(problem.question) <= MAX_QUESTION_CHARACTERS and len(problem.solution) <= MAX_SOLUTION_CHARACTERS


def _choose(problems: list[Problem], n: int, rng: random.Random, *, place: Path) -> list[Problem]:
    """Draw n short problems."""
    short = [problem for problem in problems if _is_short(problem)]
    if len(short) < n:
        limits = f"{MAX_QUESTION_CHARACTERS} + {MAX_SOLUTION_CHARACTERS}"
        raise DataError(
            f"{place}: {len(short)} problems of up to {limits} characters",
            rule=f"must be at least {n}",
            remedy="use the complete file",
        )
    return rng.sample(short, n)


def _calculations(problems: list[Problem], rng: random.Random) -> list[dict[str, str]]:
    """The true calculations of some problems in GSM8K's notation, a few a record."""
    found = dict.fromkeys(text for problem in problems for text in annotations(problem.solution))
    true = [text for text in found if arithmetic_validity([""], [f"<<{text}>>"]) == [1.0]]
    rng.shuffle(true)
    records = []
    for start in range(0, len(true), CALCULATIONS_PER_RECORD):
        parts = [text.partition("=") for text in true[start : start + CALCULATIONS_PER_RECORD]]
        records.append(
            {
                "prompt": f"Calculate {', '.join(left for left, _, _ in parts)}.",
                "response": "\n".join(f"{left} = <<{left}={right}>>{right}" for left, _, right in parts),
            }
        )
    return records


def _write(path: Path, records: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
