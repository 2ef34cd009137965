"""Files that hold a certificate: read them, check them, name the line that fails."""

import json
from pathlib import Path

from pydantic import ValidationError

from palm.errors import DataError, VerificationError
from palm.verification.cover_claims import verify_cover
from palm.verification.fault import Fault, place_name
from palm.verification.json_lines import line_of
from palm.verification.portfolio_claims import verify_portfolio
from palm.verification.schema import KINDS, CoverFile
from palm.verification.verified import Verified

_SOURCES = "give a file that `palm design --json` or `palm select --json` printed"


def verify_file(path: Path) -> Verified:
    """Check the certificate in a file again, with none of the code that found it.

    Args:
        path: JSON file, as `palm design --json` and `palm select --json` print it.

    Returns:
        What it proves.

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
        verify = verify_cover if isinstance(claim, CoverFile) else verify_portfolio
        return verify(claim)
    except Fault as fault:
        others = "".join(f" (and {place_name(other)}, line {line_of(text, other)})" for other in fault.others)
        raise VerificationError(
            f"{path}, line {line_of(text, fault.place)}, {place_name(fault.place)}{others}",
            rule=fault.rule,
            remedy=fault.remedy,
        ) from fault


def _object(pairs):
    """Make a dict of an object's pairs; a key given twice is an error instead of the last one winning."""
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} is given twice")
    return result


def _parse(content):
    """Turn the content of a file into what it claims."""
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


def _short(value):
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
