"""A source of numbers that is read in the background, so that a scrape never waits for it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from palm.cluster.monitoring.metrics import Figures
from palm.errors import PalmError
from palm.progress import log


@dataclass(frozen=True)
class _Reading:
    figures: Figures | None
    seconds: float
    finished: float


class Source:
    """Reads again and again, in a thread of its own.

    Args:
        name: of the source, for people.
        read: reads it.
        interval: seconds between the end of a reading and the start of the next.
        limit: seconds that a reading may take until the source counts as down.
    """

    def __init__(self, name: str, read: Callable[[], Figures], *, interval: float, limit: float):
        self._name, self._read, self._interval, self._limit = name, read, interval, limit
        self._last: _Reading | None = None
        self._first, self._stop = threading.Event(), threading.Event()
        self._told = ""
        self._thread = threading.Thread(target=self._read_on, name=f"read-{name}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def wait(self) -> None:
        """Wait for the first reading, no longer than its limit."""
        self._first.wait(self._limit)

    def stop(self) -> None:
        """Begin no other reading; one that is going on is left to itself."""
        self._stop.set()

    @property
    def figures(self) -> Figures | None:
        """The numbers of the last reading; None if it failed, or if the next is overdue: never old numbers as new."""
        last = self._last
        overdue = last is None or time.monotonic() - last.finished > self._interval + self._limit
        return None if overdue else last.figures

    @property
    def seconds(self) -> float | None:
        """How long the last reading took; None before the first."""
        return None if self._last is None else self._last.seconds

    def _read_on(self) -> None:
        while not self._stop.is_set():
            begun = time.monotonic()
            figures, problem = self._attempt()
            finished = time.monotonic()
            self._last = _Reading(figures, finished - begun, finished)
            self._first.set()
            self._tell(problem)
            self._stop.wait(self._interval)

    def _attempt(self) -> tuple[Figures | None, str]:
        try:
            return self._read(), ""
        except PalmError as error:
            return None, str(error)
        except Exception as error:
            # Whatever it is, the other source is still worth its numbers.
            return None, f"{type(error).__name__}: {' '.join(str(error).split())}"

    def _tell(self, problem: str) -> None:
        """Log a problem when it comes and when it is over, not at every reading."""
        if problem and not self._told:
            log.warning("%s cannot be read: %s", self._name, problem)
        elif self._told and not problem:
            log.warning("%s can be read again", self._name)
        self._told = problem
