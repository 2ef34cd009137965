"""Progress of long work: log lines everywhere, and events that `palm run` draws on a terminal.

The tasks of a local run are processes of their own. Each appends JSON lines to the file that the environment variable
PALM_EVENTS names, and the process that started the run reads them. In a cluster the variable is unset: only log lines.
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
    """Preference weights as progress, records and outcomes show them."""
    return " ".join(f"{weight:.3f}" for weight in weights)


class Stage:
    """One unit of work whose progress is reported.

    Args:
        name: the stage, e.g. ``train_policy``.
        label: what it works on, e.g. the preference weights.
    """

    def __init__(self, name: str, label: str):
        self.name, self.label = name, label
        # Distinguishes stages of the same name and label; process ids repeat between containers.
        self._id = uuid.uuid4().hex
        self._last = 0.0

    def advance(self, done: int, total: int, note: str = "") -> None:
        """Report that ``done`` of ``total`` steps are finished; calls within two seconds of another are dropped."""
        now = time.monotonic()
        if done < total and now - self._last < _SECONDS_BETWEEN_LINES:
            return
        self._last = now
        self._emit("advance", done=done, total=total, note=note)

    def _emit(self, event: str, **fields) -> None:
        shown = [event, *(f"{key}={value}" for key, value in fields.items() if value != "")]
        log.info("%s %s %s", self.name, self.label, " ".join(shown))
        path = os.environ.get(EVENTS_VARIABLE)
        if path:
            stage = {"stage": self.name, "label": self.label, "id": self._id, "process": os.getpid()}
            line = json.dumps({**stage, "event": event, "time": time.time(), **fields})
            # One write of one line in append mode: lines of parallel tasks never mix.
            with open(path, "a", encoding="utf-8") as stream:
                stream.write(line + "\n")


@contextmanager
def stage(name: str, label: str = "") -> Iterator[Stage]:
    """Report the start, the end and, if it fails, the error of a unit of work; takes the arguments of `Stage`."""
    current = Stage(name, label)
    current._emit("start")
    try:
        yield current
    except (Exception, SystemExit) as error:
        current._emit("error", error=in_words(error))
        raise
    current._emit("done")


def deadline(seconds: float) -> SecondsLeft:
    """Start a time limit; returns a function that returns the seconds left, negative after the end."""
    end = time.monotonic() + seconds
    return lambda: end - time.monotonic()
