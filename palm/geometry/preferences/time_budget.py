"""Time budgets: callables that return the seconds remaining."""

from collections.abc import Callable
from math import inf

SecondsLeft = Callable[[], float]
"""Returns the seconds left: 0 or less once the time is over, infinite without a limit. The clock is the caller's."""


def unlimited() -> float:
    """No limit."""
    return inf


def share_of(seconds_left: SecondsLeft, share: float) -> SecondsLeft:
    """Make a budget of the first ``share``, in (0, 1], of the time that is left now."""
    kept = (1 - share) * seconds_left() if share < 1 else 0.0
    return seconds_left if kept == inf else lambda: seconds_left() - kept
