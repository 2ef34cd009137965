"""Server of a worker pool: the process from which workers are forked (`palm.steps.workers.pool` starts it).

It imports what the steps need and then waits: it has no thread, tensor or CUDA context that a fork would break.
"""

import atexit
import ctypes
import gc
import hmac
import json
import logging
import os
import selectors
import shutil
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from palm.errors import PalmError
from palm.steps.run import call_step
from palm.steps.workers.client import FORWARDED, KEY_BYTES
from palm.steps.workers.pool import GRACE_SECONDS

_HANDLES = 4
_LIFELINE = 0
_OWN_SIGNALS = {
    signal.SIGCHLD: signal.SIG_DFL,
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}
"""Signals that the server handles, and their action in a worker until its step changes it."""

_PR_SET_PDEATHSIG = 1

_PRELOADED = {
    "datasets": ["Dataset"],
    "palm.steps.evaluate_policies": [],
    "palm.steps.prepare_base_model": [],
    "palm.steps.sample_reference": [],
    "palm.steps.train_policy": [],
    "peft": ["LoraConfig", "PeftModel"],
    "pyarrow.parquet": [],
    "transformers": ["AutoModelForCausalLM", "AutoTokenizer", "DataCollatorForSeq2Seq", "LlamaForCausalLM", "Trainer"],
    "trl": ["GRPOTrainer", "RLOOTrainer"],
}
"""Modules, and names in them that their libraries import lazily."""


@dataclass(frozen=True)
class Job:
    """A request of `palm.steps.workers.client`, and the descriptor of the file for the answer."""

    request: dict
    answer: int


class Server:
    """Forks a worker for each request that opens with the key."""

    def __init__(self, listener: socket.socket, key: bytes):
        self._listener, self._key = listener, key
        self._selector = selectors.DefaultSelector()
        self._signals, self._waker = socket.socketpair()
        self._workers: dict[int, socket.socket] = {}
        self._accepts = True
        self._deadline: float | None = None

    def serve(self) -> Job | None:
        """Serve until the pool ends; returns the job in a worker, None in the server."""
        self._waker.setblocking(False)
        for number in _OWN_SIGNALS:
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._waker.fileno())
        for source in (self._listener, self._signals, _LIFELINE):
            self._selector.register(source, selectors.EVENT_READ)
        while self._deadline is None or self._workers:
            for entry, _ in self._selector.select(self._seconds_left()):
                if (job := self._handle(entry.fileobj)) is not None:
                    return job
            self._reap()
            if self._seconds_left() == 0:
                self._kill_all(signal.SIGKILL)
        return None

    def _seconds_left(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _handle(self, source: socket.socket | int) -> Job | None:
        if source is self._listener:
            self._selector.register(self._listener.accept()[0], selectors.EVENT_READ)
        elif source is self._signals:
            received = self._signals.recv(4096)
            self._accepts = self._accepts and signal.SIGINT not in received
            if signal.SIGTERM in received:
                self._end()
        elif source == _LIFELINE:
            self._end()
        elif source in self._workers.values():
            self._pass_on(source)
        else:
            return self._take(source)
        return None

    def _take(self, client: socket.socket) -> Job | None:
        """Fork a worker for a client's request; returns the job in the worker, None in the server."""
        try:
            key, handles, *_ = socket.recv_fds(client, KEY_BYTES, _HANDLES)
        except OSError:
            key, handles = b"", []
        if self._accepts and hmac.compare_digest(key, self._key) and len(handles) == _HANDLES:
            if self._fork(client):
                return _job(*handles)
        else:
            self._selector.unregister(client)
            client.close()
        for handle in handles:
            os.close(handle)
        return None

    def _fork(self, client: socket.socket) -> bool:
        """Fork; returns whether this process is the new worker."""
        server = os.getpid()
        # A signal to the worker before it has its own handlers would run the server's.
        signal.pthread_sigmask(signal.SIG_BLOCK, _OWN_SIGNALS)
        pid = os.fork()
        if pid:
            self._workers[pid] = client
        else:
            # No orphans, even if the server is killed.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != server:
                os.kill(os.getpid(), signal.SIGKILL)
            self._release()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _OWN_SIGNALS)
        return not pid

    def _release(self) -> None:
        signal.set_wakeup_fd(-1)
        for number, action in _OWN_SIGNALS.items():
            signal.signal(number, action)
        watched = [entry.fileobj for entry in self._selector.get_map().values() if entry.fileobj != _LIFELINE]
        for place in (self._selector, self._waker, *watched, *self._workers.values()):
            place.close()

    def _pass_on(self, client: socket.socket) -> None:
        pid = next(pid for pid, known in self._workers.items() if known is client)
        try:
            wanted = client.recv(1)
        except OSError:
            wanted = b""
        if not wanted:
            # The task was killed, so its worker is killed as well.
            self._selector.unregister(client)
            os.kill(pid, signal.SIGKILL)
        elif wanted[0] in FORWARDED:
            os.kill(pid, wanted[0])

    def _reap(self) -> None:
        for pid, client in list(self._workers.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            del self._workers[pid]
            # The client may have ended.
            with suppress(KeyError):
                self._selector.unregister(client)
            with client, suppress(OSError):
                client.send(str(os.waitstatus_to_exitcode(status)).encode())

    def _end(self) -> None:
        if self._deadline is None:
            self._accepts = False
            self._deadline = time.monotonic() + GRACE_SECONDS
            self._selector.unregister(self._listener)
            self._selector.unregister(_LIFELINE)
            self._kill_all(signal.SIGTERM)

    def _kill_all(self, number: int) -> None:
        for pid in self._workers:
            os.kill(pid, number)


def main() -> None:
    """Entry point; argv: descriptor of the listening socket, its path. The key comes on stdin, which stays open."""
    handle, path = sys.argv[1:]
    done = threading.Event()
    # Registered before the imports, so it runs after all exit handlers of theirs.
    atexit.register(_skip_teardown, done)
    key = os.read(_LIFELINE, KEY_BYTES)
    preload()
    with socket.socket(fileno=int(handle)) as listener:
        job = Server(listener, key).serve()
    if job is None:
        # The pool's owner does this too, unless it was killed.
        shutil.rmtree(Path(path).parent, ignore_errors=True)
    else:
        # Outside the server's frames, so that tracebacks show those of the step only.
        work(job)
        done.set()


def work(job: Job) -> None:
    """Do a job as its task's process would, write the answer, and raise what the step raised."""
    os.environ.clear()
    os.environ.update(job.request["environment"])
    os.chdir(job.request["directory"])
    logging.basicConfig(stream=sys.stdout, format="[palm %(asctime)s %(levelname)s]: %(message)s", level=logging.INFO)
    if numpy := sys.modules.get("numpy"):
        # Forks share the state of the global generator; separate processes do not.
        numpy.random.seed()
    with open(job.answer, "w", encoding="utf-8") as stream:
        try:
            answer = {"result": call_step(*job.request["arguments"])}
        except PalmError as error:
            json.dump({"error": {"kind": type(error).__name__, "message": str(error)}}, stream)
            raise
        json.dump(answer, stream)


def _skip_teardown(done: threading.Event) -> None:
    """End a finished worker at once: unloading all modules would cost most of a second."""
    if done.is_set():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _job(stdout: int, stderr: int, question: int, answer: int) -> Job:
    nothing = os.open(os.devnull, os.O_RDONLY)
    for handle, place in ((nothing, 0), (stdout, 1), (stderr, 2)):
        os.dup2(handle, place)
        os.close(handle)
    with open(question, encoding="utf-8") as stream:
        stream.seek(0)
        return Job(json.load(stream), answer)


def preload() -> None:
    """Import what the steps need, also what libraries import lazily, so that forked processes need not."""
    # PyTorch's default test for a GPU creates a CUDA context, which forked processes cannot use.
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    for name, parts in _PRELOADED.items():
        # A step that needs a missing package reports it.
        with suppress(ImportError):
            module = import_module(name)
            for part in parts:
                getattr(module, part)
    # Garbage collection would write to, and so copy, memory that all workers share.
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    main()
