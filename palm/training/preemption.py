"""SIGTERM as a request: finish the step, keep a checkpoint, stop."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def preemption() -> Iterator[Callable[[], bool]]:
    """Take note of SIGTERM instead of dying of it, for the duration of a block.

    Only Python's main thread may handle signals; in another one nothing changes.

    Yields:
        A function that tells whether the signal has come.
    """
    received = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield received.is_set
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.set())
    try:
        yield received.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
