"""Time that others allow: functions that tell how many seconds are left, without a clock of their own."""

from collections.abc import Callable
from math import inf

SecondsLeft = Callable[[], float]
"""Tells how many seconds are left; 0 or less once the time is over, infinite without a limit."""


def unlimited() -> float:
    """All the time there is."""
    return inf


def share_of(seconds_left: SecondsLeft, share: float) -> SecondsLeft:
    """Allow a share of the time that is left now.

    Args:
        seconds_left: the whole allowance.
        share: in (0, 1].

    Returns:
        The part of it that ends first.
    """
    kept = (1 - share) * seconds_left() if share < 1 else 0.0
    return seconds_left if kept == inf else lambda: seconds_left() - kept
