"""Formats of numbers and names on the page."""

import math
import re
from collections.abc import Sequence
from datetime import datetime

from markupsafe import Markup

ABSENT = "–"
# Keeps 0.3 × 100 = 30.000000000000004 from being rounded up to 30.01.
_ROUNDING_SLACK = 1e-9


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def fixed(value: float | None, digits: int = 3) -> str:
    """A number with a fixed number of decimals, never minus zero; a dash for None and non-finite values."""
    if not _is_number(value):
        return ABSENT
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def percent(value: float | None, digits: int = 0) -> str:
    """A share as a percentage, rounded to nearest."""
    return ABSENT if not _is_number(value) else f"{fixed(100 * value, digits)} %"


def percent_up(value: float | None) -> str:
    """A gap as a percentage with two decimals, rounded up: a certificate never looks better than it is."""
    return ABSENT if not _is_number(value) else percent(math.ceil(value * 1e4 - _ROUNDING_SLACK) / 1e4, 2)


def percent_down(value: float | None) -> str:
    """A share or lower bound as a percentage with two decimals, rounded down."""
    return ABSENT if not _is_number(value) else percent(math.floor(value * 1e4 + _ROUNDING_SLACK) / 1e4, 2)


def vector(weights: Sequence[float]) -> str:
    """Weights in parentheses with two decimals, e.g. ``(0.60, 0.30, 0.10)``."""
    return "(" + ", ".join(fixed(weight, 2) for weight in weights) + ")"


def in_words(weights: Sequence[float], names: Sequence[str]) -> str:
    """A preference, largest weight first, e.g. ``62 % humour, 38 % safety``; below half a percent is left out."""
    ranked = sorted(zip(weights, names, strict=True), key=lambda pair: -pair[0])
    return ", ".join(f"{percent(weight)} {name}" for weight, name in ranked if weight >= 0.005)


def duration(seconds: float | None) -> str:
    """A duration in the two largest units that matter, e.g. ``1 h 05 min``."""
    if not _is_number(seconds):
        return ABSENT
    if seconds < 60:
        return f"{fixed(seconds, 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def moment(iso: str) -> str:
    """A time stamp for people, e.g. ``23 November 2026, 21:00 UTC``."""
    when = datetime.fromisoformat(iso)
    return f"{when.day} {when:%B %Y, %H:%M} {when.tzname() or ''}".strip()


def breakable(name: str) -> Markup:
    """An escaped name that a browser may break after underscores and within runs of over 16 characters."""
    pieces = re.findall(r"[^_\s]{0,15}_|[^_\s]{1,16}\s*|\s+", name)
    return Markup("<wbr>").join(pieces)
