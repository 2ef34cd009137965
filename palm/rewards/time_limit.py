"""Calls with a time limit."""

import contextvars
import threading
from collections.abc import Callable


class TimeLimitError(Exception):
    """A call took longer than it may."""


def call_in_time(function: Callable[[], object], seconds: float):
    """Call a function, and wait for its result no longer than some time.

    A function that does not return is left behind in a daemon thread, which does not keep the process alive. Compiled
    code that never releases the interpreter cannot be left behind.
    """
    outcome = {}

    def target() -> None:
        try:
            outcome["value"] = function()
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=contextvars.copy_context().run, args=(target,), daemon=True)
    thread.start()
    thread.join(min(seconds, threading.TIMEOUT_MAX))
    if thread.is_alive():
        raise TimeLimitError
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]
