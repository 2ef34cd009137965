"""Time limits: the clock that the pure rooms are given instead of having their own."""

import time
from collections.abc import Callable


def deadline(seconds: float) -> Callable[[], float]:
    """Start a time limit.

    Args:
        seconds: how long it lasts.

    Returns:
        A function that tells how many seconds are left; negative once the time is over.
    """
    end = time.monotonic() + seconds
    return lambda: end - time.monotonic()
