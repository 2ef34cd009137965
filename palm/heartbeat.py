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
this is longer than such waits; a build that goes on after all writes its outcome over the one that was written for it.
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

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            with suppress(StorageError):
                Records(root).write(_name(build), {"at": time.time()})

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def last_heard(root: str, build: str, records: list[dict]) -> float | None:
    """When a build gave its last sign of life.

    Args:
        root: ``storage.root``.
        build: name of the build.
        records: of its tasks, as `palm.build_record.task_records` gives them.

    Returns:
        Seconds since 1970; None if it never gave one.

    Raises:
        StorageError: the storage cannot be read.
    """
    signs = [record.get("ended", record["started"]) for record in records]
    beat = Records(root).read(_name(build))
    return max(signs + ([] if beat is None else [beat["at"]]), default=None)


def is_silent(heard: float | None) -> bool:
    """Whether a build that was last heard then, and has no outcome, has ended without one."""
    return heard is not None and time.time() - heard > _SILENT_SECONDS


def _name(build: str) -> str:
    return f"builds/{build}/heartbeat"
