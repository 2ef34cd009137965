"""SIGTERM as a request: finish the step, keep a checkpoint, stop."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def preemption() -> Iterator[Callable[[], bool]]:
    """Record SIGTERM instead of ending the process, for the duration of a block.

    Only Python's main thread may handle signals; in another one nothing changes.

    Yields:
        A function that returns whether the signal was received.
    """
    # A plain flag: a lock, such as an Event has, could be taken when a second signal comes.
    received = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        yield lambda: bool(received)
    finally:
        signal.signal(signal.SIGTERM, before)
