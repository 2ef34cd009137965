"""Sources of figures, read in the background so that a scrape never waits for them."""

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
    """A source that is read repeatedly, in a thread of its own.

    Args:
        interval: seconds between the end of a reading and the start of the next.
        limit: seconds that a reading may take until the source counts as down.
    """

    def __init__(self, name: str, read: Callable[[], Figures], *, interval: float, limit: float):
        self._name, self._read, self._interval, self._limit = name, read, interval, limit
        self._last: _Reading | None = None
        self._first, self._stop = threading.Event(), threading.Event()
        self._problem = ""
        self._thread = threading.Thread(target=self._read_on, name=f"read-{name}", daemon=True)

    def start(self) -> None:
        """Start to read."""
        self._thread.start()

    def wait(self) -> None:
        """Wait for the first reading, no longer than its limit."""
        self._first.wait(self._limit)

    def stop(self) -> None:
        """Start no other reading; a running one is not interrupted."""
        self._stop.set()

    @property
    def figures(self) -> Figures | None:
        """Figures of the last reading; None if it failed or the next is overdue: old figures never pass for new."""
        last = self._last
        overdue = last is None or time.monotonic() - last.finished > self._interval + self._limit
        return None if overdue else last.figures

    @property
    def seconds(self) -> float | None:
        """Duration of the last reading; None before the first."""
        return None if self._last is None else self._last.seconds

    def _read_on(self) -> None:
        while not self._stop.is_set():
            begun = time.monotonic()
            figures, problem = self._attempt()
            finished = time.monotonic()
            self._last = _Reading(figures, finished - begun, finished)
            self._first.set()
            self._log(problem)
            self._stop.wait(self._interval)

    def _attempt(self) -> tuple[Figures | None, str]:
        try:
            return self._read(), ""
        except PalmError as error:
            return None, str(error)
        except Exception as error:
            # No error of this source may stop the other one.
            return None, f"{type(error).__name__}: {' '.join(str(error).split())}"

    def _log(self, problem: str) -> None:
        """Log the start and the end of a problem, not every reading."""
        if problem and not self._problem:
            log.warning("%s cannot be read: %s", self._name, problem)
        elif self._problem and not problem:
            log.warning("%s can be read again", self._name)
        self._problem = problem
