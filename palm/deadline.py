"""Time limits: the clock that the pure rooms are given instead of having their own."""

import time

from palm.allowance import SecondsLeft


def deadline(seconds: float) -> SecondsLeft:
    """Start a time limit.

    Args:
        seconds: how long it lasts.

    Returns:
        A function that tells how many seconds are left; negative once the time is over.
    """
    end = time.monotonic() + seconds
    return lambda: end - time.monotonic()
