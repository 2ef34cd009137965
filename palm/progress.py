"""Progress of long work: log lines everywhere, and events that `palm run` draws on a terminal.

Every task of a local run is its own process. Each appends JSON lines to the file named by the
environment variable PALM_EVENTS; the process that started the run reads them. In a cluster the
variable is unset and the log lines are all there is.
"""

import json
import logging
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from palm.errors import in_words
from palm.geometry.preferences.time_budget import SecondsLeft

EVENTS_VARIABLE = "PALM_EVENTS"
_SECONDS_BETWEEN_LINES = 2.0

log = logging.getLogger("palm")


def weights_label(weights) -> str:
    """Preference weights as people read them in progress, records and outcomes."""
    return " ".join(f"{weight:.3f}" for weight in weights)


class Stage:
    """One unit of work whose progress is reported.

    Args:
        name: the stage, e.g. ``train_policy``.
        label: what it works on, e.g. the preference weights.
    """

    def __init__(self, name: str, label: str):
        self.name, self.label = name, label
        # Tells apart what has one name and label, also where every process is the first of its own container.
        self._id = uuid.uuid4().hex
        self._last = 0.0

    def advance(self, done: int, total: int, note: str = "") -> None:
        """Report that ``done`` of ``total`` steps are finished; too frequent calls are dropped."""
        now = time.monotonic()
        if done < total and now - self._last < _SECONDS_BETWEEN_LINES:
            return
        self._last = now
        self._emit("advance", done=done, total=total, note=note)

    def _emit(self, event: str, **fields) -> None:
        log.info(
            "%s %s %s", self.name, self.label, " ".join([event, *(f"{k}={v}" for k, v in fields.items() if v != "")])
        )
        path = os.environ.get(EVENTS_VARIABLE)
        if path:
            line = json.dumps(
                {
                    "stage": self.name,
                    "label": self.label,
                    "id": self._id,
                    "process": os.getpid(),
                    "event": event,
                    "time": time.time(),
                    **fields,
                }
            )
            # One write of one line in append mode: lines of parallel tasks never mix.
            with open(path, "a", encoding="utf-8") as stream:
                stream.write(line + "\n")


@contextmanager
def stage(name: str, label: str = "") -> Iterator[Stage]:
    """Report the start, the end and, if it fails, the error of a unit of work.

    Args:
        name: the stage, e.g. ``train_policy``.
        label: what it works on.

    Yields:
        The stage, for `Stage.advance`.
    """
    current = Stage(name, label)
    current._emit("start")
    try:
        yield current
    except Exception as error:
        current._emit("error", error=in_words(error))
        raise
    current._emit("done")


def deadline(seconds: float) -> SecondsLeft:
    """Start a time limit.

    Args:
        seconds: how long it lasts.

    Returns:
        A function that returns the seconds that are left; negative once the time is over.
    """
    end = time.monotonic() + seconds
    return lambda: end - time.monotonic()
