"""Steps in workers of a local build: processes forked from one that has imported PyTorch and TRL already.

Those imports take longer than a small policy's training, and every task of a local build is a process of its own.
`worker_pool` starts `palm.local.worker_server` and names its socket in the environment variable PALM_WORKERS; a
task that finds the variable has its step done there, and any other (in a cluster, say) does it itself. Each step gets
a fresh process either way, so its results, its failures and its memory touch no other step.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

from pydantic_core import to_jsonable_python

import palm.errors
from palm.builds.records import record_owner, recorded
from palm.config.portfolio import PortfolioConfig
from palm.errors import BuildError, PalmError, PreemptedError, StorageError
from palm.progress import stage

WORKERS_VARIABLE = "PALM_WORKERS"
"""``KEY@PATH``: what a client must say, and the Unix socket it says it to."""

KEY_BYTES = 65
"""Of the message that opens a request: the key and a line's end."""

GRACE_SECONDS = 5.0
"""Time that the workers of a pool that ends have after SIGTERM."""

FORWARDED = (signal.SIGINT, signal.SIGTERM)
"""Signals to a task that mean its worker."""


def run_step(
    name: str,
    config: PortfolioConfig,
    *values,
    label: str = "",
    identity=None,
    snapshot: str = "",
    result: tuple[str, ...] = (),
    **paths: str | list[str],
):
    """Do a step, in a worker where there is a pool, else here, and keep the record of the task in its build.

    Args:
        name: module in `palm.steps` and function in it, e.g. ``train_policy``.
        config: the configuration.
        values: JSON-able arguments that follow the configuration.
        label: what the step works on, where a build has several tasks of it.
        identity: what it works on, JSON-able and exact (`palm.builds.records.recorded`); None: label and values.
        snapshot: what the build is made from (`palm.builds.rebuild.snapshot.check_snapshot`); empty outside of a build.
        result: keys of what the step returns that the record shall hold.
        paths: keyword arguments that are paths, or lists of paths.

    Returns:
        What the step returns, JSON-able.

    Raises:
        PalmError: the step raised it, its worker was killed, or a retry is hopeless (`palm.builds.records.recorded`).
        SystemExit: the step was preempted (its exit code says: try again), or the worker ended with another exit
            status than 0; its traceback is on stderr.
    """
    from palm.builds.rebuild.snapshot import check_snapshot

    try:
        with recorded(config.storage.root, name, label, identity=identity or [label, values]) as record:
            record_owner(config)
            check_snapshot(config, snapshot)
            answer = _run_step(name, config.to_json(), values, paths)
            record.update({key: answer[key] for key in result})
        return answer
    except PreemptedError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(error.exit_code) from None


def _run_step(name: str, config: str, values: tuple, paths: dict[str, str | list[str]]):
    address = os.environ.get(WORKERS_VARIABLE)
    if not address:
        return call_step(name, config, values, paths)
    request = {
        "arguments": [name, config, values, paths],
        "directory": os.getcwd(),
        "environment": {key: value for key, value in os.environ.items() if key != WORKERS_VARIABLE},
    }
    status, answer = _ask(address, json.dumps(request))
    if status < 0:
        # Nothing in a killed process can tell of its end, so it is told here.
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


def call_step(name: str, config: str, values: list, paths: dict[str, str | list[str]]):
    """Do a step in this process; arguments as for `run_step`, the configuration as JSON text."""
    from palm.config.load import parse_config

    step = getattr(import_module(f"palm.steps.{name}"), name)
    given = {
        key: [Path(path) for path in value] if isinstance(value, list) else Path(value) for key, value in paths.items()
    }
    return to_jsonable_python(step(parse_config(config), *values, **given))


@contextmanager
def separate_processes() -> Iterator[None]:
    """Do each step of the block in a process of its own, also where no pool is kept (in a cluster, say).

    What a step leaves behind on a GPU, or what kills it, then touches no other step, and a signal between two of them
    ends the task.
    """
    if os.environ.get(WORKERS_VARIABLE):
        yield
        return
    with tempfile.TemporaryDirectory() as folder, worker_pool(Path(folder) / "pool.log") as address:
        os.environ[WORKERS_VARIABLE] = address
        try:
            yield
        finally:
            del os.environ[WORKERS_VARIABLE]


@contextmanager
def worker_pool(log: Path) -> Iterator[str]:
    """Keep a pool of workers while the block runs.

    Args:
        log: file that the pool's own messages are appended to; a worker's output goes to its task.

    Yields:
        The value of PALM_WORKERS for tasks; empty where there is no pool because the system is not Linux (elsewhere a
        process is not safely forked after such imports).

    Raises:
        StorageError: no socket can be made.
    """
    if sys.platform != "linux":
        yield ""
        return
    key = secrets.token_hex((KEY_BYTES - 1) // 2)
    # The folder is readable by this user only.
    with tempfile.TemporaryDirectory(prefix="palm-") as folder:
        path = f"{folder}/socket"
        process = _start(path, key, log)
        try:
            with _told_of_interrupt(process):
                yield f"{key}@{path}"
        finally:
            process.terminate()
            try:
                process.wait(2 * GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdin.close()


@contextmanager
def _told_of_interrupt(process: subprocess.Popen) -> Iterator[None]:
    """On Ctrl-C let the pool refuse further steps: KFP would still start all that wait."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupted(number: int, frame) -> None:
        process.send_signal(number)
        before(number, frame)

    signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _start(path: str, key: str, log: Path) -> subprocess.Popen:
    with socket.socket(socket.AF_UNIX) as listener, log.open("ab") as output:
        try:
            listener.bind(path)
        except OSError as error:
            raise StorageError(
                path, rule=f"no socket can be made there ({error})", remedy="point TMPDIR to a short path"
            ) from error
        # Listening before the server runs: tasks need not wait for its imports before they ask.
        listener.listen()
        process = subprocess.Popen(
            [sys.executable, "-m", "palm.local.worker_server", str(listener.fileno()), path],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=[listener.fileno()],
            # Ctrl-C is for the tasks, which pass it on.
            start_new_session=True,
        )
    # By a pipe: other users can read a command line. The pipe stays open; that it closes tells the server that this
    # process is gone.
    process.stdin.write(f"{key}\n".encode())
    process.stdin.flush()
    return process


def _ask(address: str, request: str) -> tuple[int, dict]:
    """Have a request done; returns the worker's exit status (negative: the signal) and its answer, empty if none."""
    key, _, path = address.partition("@")
    # Files without a name: the socket carries a key, handles, signals and a number only, and nothing is left behind.
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
            # The line's end goes too: handles cannot travel with nothing, which a broken address would have them do.
            socket.send_fds(server, [f"{key}\n".encode()], [1, 2, question.fileno(), answer.fileno()])
            with _forwarding(server):
                status = b"".join(iter(lambda: server.recv(16), b""))
        except OSError as error:
            raise _gone(path, str(error)) from error
        if not status:
            raise _gone(path, "no answer")
        answer.seek(0)
        return int(status), json.loads(answer.read() or "{}")


@contextmanager
def _forwarding(server: socket.socket) -> Iterator[None]:
    """Pass signals to this process on to its worker, which decides what they mean."""
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


def _gone(path: str, why: str) -> BuildError:
    return BuildError(
        f"worker pool {path}",
        rule=f"has ended or refuses ({why})",
        remedy=f"run again; outside of `palm run` unset {WORKERS_VARIABLE}",
    )


def _error(kind: str, message: str) -> PalmError:
    """The error that a worker told: of its class, with its message as it was."""
    found = getattr(palm.errors, kind, PalmError)
    return found.__new__(found, message)
