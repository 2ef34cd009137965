"""Client of a worker pool: sends a step, forwards signals to its worker, and returns the result or raises the error."""

import json
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import palm.errors
from palm.errors import BuildError, PalmError
from palm.progress import stage

WORKERS_VARIABLE = "PALM_WORKERS"
"""``KEY@PATH``: the key that a client sends, and the Unix socket of the pool."""

KEY_BYTES = 65
"""Length of the message that opens a request: the key and a newline."""

FORWARDED = (signal.SIGINT, signal.SIGTERM)
"""Signals that a task forwards to its worker."""


def ask_worker(address: str, name: str, config: str, values: tuple, paths: dict[str, str | list[str]]) -> Any:
    """Run a step in a worker at an address, the value of PALM_WORKERS; otherwise as `palm.steps.run.call_step`."""
    request = {
        "arguments": [name, config, values, paths],
        "directory": os.getcwd(),
        "environment": {key: value for key, value in os.environ.items() if key != WORKERS_VARIABLE},
    }
    status, answer = _ask(address, json.dumps(request))
    if status < 0:
        # A killed process reports nothing itself.
        with stage(name):
            raise BuildError(
                f"step {name}",
                rule=f"its process was killed by {signal.Signals(-status).name}",
                remedy="if memory ran out, lower the batch sizes; finished steps are kept: run again",
            )
    if "error" in answer:
        raise _error(**answer["error"])
    if status or not answer:
        raise SystemExit(status)
    return answer["result"]


def _ask(address: str, request: str) -> tuple[int, dict]:
    """Exit status of the worker (negative: the signal) and its answer, empty if there is none."""
    key, _, path = address.partition("@")
    # Request and answer are in unnamed files: the socket carries only a key, file descriptors, signals and a number.
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as question,
        tempfile.TemporaryFile("w+", encoding="utf-8") as answer,
        socket.socket(socket.AF_UNIX) as server,
    ):
        question.write(request)
        question.flush()
        try:
            server.connect(path)
            # The worker writes to this task's own stdout and stderr.
            # The newline makes the message non-empty even with an empty key: descriptors need a byte to travel with.
            socket.send_fds(server, [f"{key}\n".encode()], [1, 2, question.fileno(), answer.fileno()])
            with _forwarding(server):
                status = b"".join(iter(lambda: server.recv(16), b""))
        except OSError as error:
            raise _pool_gone(path, str(error)) from error
        if not status:
            raise _pool_gone(path, "no answer")
        answer.seek(0)
        return int(status), json.loads(answer.read() or "{}")


@contextmanager
def _forwarding(server: socket.socket) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        # Python runs signal handlers in the main thread only.
        yield
        return

    def forward(number: int, _) -> None:
        # The worker may have ended just now.
        with suppress(OSError):
            server.send(bytes([number]))

    before = {number: signal.signal(number, forward) for number in FORWARDED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _pool_gone(path: str, why: str) -> BuildError:
    return BuildError(
        f"worker pool {path}",
        rule=f"has ended or refuses ({why})",
        remedy=f"run again; if you have set {WORKERS_VARIABLE} yourself, unset it",
    )


def _error(kind: str, message: str) -> PalmError:
    found = getattr(palm.errors, kind, PalmError)
    return found.__new__(found, message)
