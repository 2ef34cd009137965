"""Heartbeats of a build: without one for long enough, nobody will report its end."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from palm.errors import StorageError
from palm.storage.records import Records

BEAT_SECONDS = 60.0
"""Interval of the heartbeats of a running task."""

SILENT_HOURS = 12
"""A build without outcome and without heartbeat for so long counts as ended.

It is longer than tasks wait for a node, during which they give none; a build that resumes overwrites the outcome that
was written for it.
"""


@contextmanager
def beating(root: str, build: str) -> Iterator[None]:
    """Write heartbeats while the block runs; failures to write one are ignored."""
    ended = threading.Event()
    _beat(root, build)

    def repeat() -> None:
        while not ended.wait(BEAT_SECONDS):
            _beat(root, build)

    threading.Thread(target=repeat, name="heartbeat", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def last_heard(root: str, build: str) -> float | None:
    """Time of a build's last heartbeat, seconds since 1970; None if there is none."""
    beat = Records(root).read(_name(build))
    return None if beat is None else beat["at"]


def is_silent(heard: float | None) -> bool:
    """Whether a build without outcome whose last heartbeat was then has ended."""
    return heard is not None and time.time() - heard > SILENT_HOURS * 3600


def _beat(root: str, build: str) -> None:
    with suppress(StorageError):
        Records(root).write(_name(build), {"at": time.time()})


def _name(build: str) -> str:
    return f"builds/{build}/heartbeat"
