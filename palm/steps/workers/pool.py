"""Worker pools: start a server of workers, and end it."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from palm.errors import StorageError
from palm.steps.workers.client import KEY_BYTES, WORKERS_VARIABLE

GRACE_SECONDS = 5.0
"""Time between SIGTERM and SIGKILL for the workers of a pool that ends."""


@contextmanager
def separate_processes(log: Path | None = None) -> Iterator[None]:
    """Run each step of the block in its own process, a worker of the pool that PALM_WORKERS names or of a new one.

    A step's GPU state, or a crash, then affects no other step, and a signal between two steps ends the task.

    Args:
        log: file for a new pool's own messages; None: they are not kept.
    """
    if os.environ.get(WORKERS_VARIABLE):
        yield
        return
    with ExitStack() as stack:
        log = log or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "pool.log"
        os.environ[WORKERS_VARIABLE] = stack.enter_context(worker_pool(log))
        stack.callback(os.environ.pop, WORKERS_VARIABLE)
        yield


@contextmanager
def worker_pool(log: Path) -> Iterator[str]:
    """Keep a pool of workers while the block runs; its own messages go to the log, a worker's output to its task.

    Yields:
        The value of PALM_WORKERS for tasks; empty outside Linux, where a fork after such imports is not safe.
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
            with _forwarding_sigint(process):
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
def _forwarding_sigint(process: subprocess.Popen) -> Iterator[None]:
    """Make the server refuse further steps after Ctrl-C: KFP would still start all waiting tasks."""
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
        # Listening starts before the server runs, so tasks can connect while it still imports.
        listener.listen()
        process = subprocess.Popen(
            [sys.executable, "-m", "palm.steps.workers.server", str(listener.fileno()), path],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=[listener.fileno()],
            # Ctrl-C is for the tasks, which forward it.
            start_new_session=True,
        )
    # The key goes through a pipe because other users can read a command line. The pipe stays open: when it closes, the
    # server knows that this process has ended.
    process.stdin.write(f"{key}\n".encode())
    process.stdin.flush()
    return process
