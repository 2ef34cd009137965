"""Signs of life of a build: who finds none for long enough knows that nobody will report its end any more."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from palm.errors import StorageError
from palm.storage.records import Records

BEAT_SECONDS = 60.0
"""Between two signs of a task that runs."""

SILENT_HOURS = 12
"""Without a sign, after which a build without an outcome counts as ended. A task that waits for a node gives none, so
this is longer than such waits; a build that resumes overwrites the outcome written for it.
"""

_SILENT_SECONDS = SILENT_HOURS * 3600


@contextmanager
def beating(root: str, build: str) -> Iterator[None]:
    """Give signs of life while a task runs; one that cannot be written is left out.

    Args:
        root: ``storage.root``.
        build: name of the build.
    """
    ended = threading.Event()
    _beat(root, build)

    def go_on() -> None:
        while not ended.wait(BEAT_SECONDS):
            _beat(root, build)

    threading.Thread(target=go_on, name="heartbeat", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def last_heard(root: str, build: str) -> float | None:
    """When a build gave its last sign of life.

    Args:
        root: ``storage.root``.
        build: name of the build.

    Returns:
        Seconds since 1970; None if it never gave one: it has not started, or is of a palm that gave none.

    Raises:
        StorageError: the storage cannot be read.
    """
    beat = Records(root).read(_name(build))
    return None if beat is None else beat["at"]


def is_silent(heard: float | None) -> bool:
    """Whether a build that was last heard then, and has no outcome, has ended without one."""
    return heard is not None and time.time() - heard > _SILENT_SECONDS


def _beat(root: str, build: str) -> None:
    with suppress(StorageError):
        Records(root).write(_name(build), {"at": time.time()})


def _name(build: str) -> str:
    return f"builds/{build}/heartbeat"
