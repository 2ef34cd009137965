"""Certificate files: read, checked, and faults reported with their line."""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from palm.errors import DataError, VerificationError
from palm.verification.cover import verify_cover
from palm.verification.fault import Fault, Place, Verified, place_name
from palm.verification.portfolio import verify_portfolio
from palm.verification.schema import KINDS, CoverFile, PortfolioFile

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
_SOURCES = "give a file that `palm design --json` or `palm select --json` printed"


def verify_file(path: Path) -> Verified:
    """Check the certificate in a file again, with none of the code that found it.

    Args:
        path: JSON file, as `palm design --json` and `palm select --json` print it.

    Raises:
        DataError: it cannot be read as JSON.
        VerificationError: it is no certificate, or one of its claims does not hold; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text, object_pairs_hook=_object)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(str(path), rule=f"cannot be read as JSON ({error})", remedy=_SOURCES) from error
    try:
        claim = _parse(content)
        return verify_cover(claim) if isinstance(claim, CoverFile) else verify_portfolio(claim)
    except Fault as fault:
        others = "".join(f" (and {place_name(other)}, line {line_of(text, other)})" for other in fault.others)
        raise VerificationError(
            f"{path}, line {line_of(text, fault.place)}, {place_name(fault.place)}{others}",
            rule=fault.rule,
            remedy=fault.remedy,
        ) from fault


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dict of an object's pairs; a key given twice is an error instead of the last one winning."""
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} is given twice")
    return result


def _parse(content: Any) -> CoverFile | PortfolioFile:
    """Turn the content of a file into its claims."""
    if not isinstance(content, dict):
        raise Fault((), "is not an object with the key certificate", remedy=_SOURCES)
    kind = content.get("certificate")
    if not isinstance(kind, str) or kind not in KINDS:
        known = ", ".join(KINDS)
        said = f"is {_short(kind)}, must be one of" if "certificate" in content else "is missing, must be one of"
        raise Fault(("certificate",), f"{said} {known}", remedy=_SOURCES)
    try:
        return KINDS[kind].model_validate(content)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        message = first["msg"][:1].lower() + first["msg"][1:]
        given = "" if first["type"] == "missing" else f", is {_short(first['input'])}"
        raise Fault(first["loc"], f"{message}{given}{more}", remedy=_SOURCES) from error


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def line_of(text: str, place: Place) -> int:
    """Find the line, counted from 1, on which a value of readable JSON starts.

    If the place does not exist, it is the line of the innermost value on the way.
    """
    at = _skip_space(text, 0)
    for step in place:
        found = _enter(text, at, step)
        if found is None:
            break
        at = found
    return text.count("\n", 0, at) + 1


def _enter(text: str, at: int, step: str | int) -> int | None:
    """Find where a value inside the array or object at ``at`` starts; None if it is not there."""
    opening = text[at]
    if opening not in "[{":
        return None
    at, number = _skip_space(text, at + 1), 0
    while text[at] not in "]}":
        key: str | int = number
        if opening == "{":
            key, at = _DECODER.raw_decode(text, at)
            at = _skip_space(text, _skip_space(text, at) + 1)
        if key == step:
            return at
        at = _skip_space(text, _DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _skip_space(text, at + 1)
        number += 1
    return None


def _skip_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return at if space is None else space.end()
