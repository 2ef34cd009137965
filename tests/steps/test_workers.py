"""Steps in workers have the results, failures and exit statuses of steps in processes of their own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.errors import one_line

from palm.artifacts.base_model import BaseModel
from palm.builds.records import BUILD_VARIABLE, task_records
from palm.config.load import parse_config
from palm.errors import BuildError
from palm.progress import EVENTS_VARIABLE
from palm.steps.run import call_step, run_step
from palm.steps.workers.client import WORKERS_VARIABLE
from palm.steps.workers.pool import worker_pool

TASK = """
import json, sys
from palm.config.load import parse_config
from palm.steps.run import run_step
for (name, config, *values), paths in json.loads(sys.argv[1]):
    run_step(name, parse_config(config), *values, **paths)
"""
"""Runs steps as components do."""

HOLDER = """
import sys, time
from pathlib import Path
from palm.steps.workers.pool import worker_pool
with worker_pool(Path(sys.argv[1])) as address:
    print(address, flush=True)
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.stdin.readline()
"""
"""Keeps a pool; when interrupted it waits for what runs, as KFP does."""

PREFIX = """
import json, os, signal, sys, time
from pathlib import Path
directory = os.getcwd()
"""
ON_SIGTERM = "signal.signal(signal.SIGTERM, lambda *_: os._exit(9)); "
WAIT = "Path('pid').write_text(str(os.getpid())); time.sleep(600)"

SHORT_SECONDS = 300

Step = tuple[list, dict]
"""Arguments of `run_step`: name, configuration as text and values; paths."""


def do(step: Step) -> None:
    """Run a step in this process, as `TASK` does."""
    (name, config, *values), paths = step
    run_step(name, parse_config(config), *values, **paths)


@pytest.fixture(scope="module", autouse=True)
def interrupts():
    """Handle SIGINT, which a shell makes background processes ignore, and with them all that they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    with worker_pool(tmp_path_factory.mktemp("pool") / "pool.log") as address:
        yield address
    folder = pool_folder(address)
    assert not folder.exists() and not servers(folder), "a used pool left something"


@pytest.fixture
def address(pool, monkeypatch):
    monkeypatch.setenv(WORKERS_VARIABLE, pool)
    return pool


@pytest.fixture
def training(config, workspace):
    """A step whose rewards run some code when they are loaded; without code it fails after that."""

    def call(code: str = "") -> Step:
        path = workspace / "rewards.py"
        if code:
            path.write_text(f"{PREFIX}os.chdir({str(workspace)!r})\n{code}\n{path.read_text()}")
        (workspace / "base").mkdir(exist_ok=True)
        (workspace / "base" / BaseModel.FILE).write_text('{"schema_version": 1, "digest": "0", "source": "tiny"}')
        places = {"base_model": "base", "rollouts": "none", "destination": "policy"}
        paths = {key: str(workspace / name) for key, name in places.items()}
        return ["train_policy", config.to_json(), [0.5, 0.5]], paths

    return call


def start_task(*steps: Step) -> subprocess.Popen:
    command = [sys.executable, "-c", TASK, json.dumps(steps)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until(condition) -> None:
    end = time.monotonic() + SHORT_SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pid_in(path: Path) -> int:
    wait_until(path.exists)
    return int(path.read_text())


def servers(folder: Path) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder / "socket") in path.read_text().split("\0"):
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def pool_folder(address: str) -> Path:
    return Path(address.partition("@")[2]).parent


def test_bytes_are_those_of_a_process_of_its_own(config, workspace, address, monkeypatch):
    """After the pool trained another policy, and with only the base model and its rollouts shared."""
    base, rollouts = str(workspace / "base"), str(workspace / "rollouts")
    run_step("prepare_base_model", config, destination=base)
    run_step("sample_reference", config, base_model=base, destination=rollouts)
    inputs = {"base_model": base, "rollouts": rollouts}
    own = config.model_copy(update={"storage": config.storage.model_copy(update={"root": str(workspace / "own")})})

    def steps(text: str, name: str) -> list[Step]:
        policy, evaluation = str(workspace / f"policy-{name}"), str(workspace / f"evaluation-{name}")
        return [
            (["train_policy", text, [0.25, 0.75]], {"destination": policy, **inputs}),
            (["evaluate_policies", text], {"policies": [policy], "destinations": [evaluation], **inputs}),
        ]

    run_step("train_policy", config, [1.0, 0.0], destination=str(workspace / "other"), **inputs)
    for step in steps(config.to_json(), "pool"):
        do(step)
    monkeypatch.delenv(WORKERS_VARIABLE)
    task = start_task(*steps(own.to_json(), "own"))
    _, err = task.communicate()
    assert task.returncode == 0, err
    for file in ("policy-{}/adapter_model.safetensors", "evaluation-{}/samples.parquet"):
        pooled, single = (workspace / file.format(name) for name in ("pool", "own"))
        assert pooled.read_bytes() == single.read_bytes(), file
    records = [json.loads((workspace / f"policy-{name}" / "policy.json").read_text()) for name in ("pool", "own")]
    assert records[0]["policy"] == records[1]["policy"] and not any(record["reused"] for record in records)


def test_a_worker_has_the_imports_and_its_tasks_environment_and_nothing_else(training, workspace, address, monkeypatch):
    step = training(
        "import torch\n"
        "Path('seen.json').write_text(json.dumps({"
        "'trl': 'trl.trainer.rloo_trainer' in sys.modules, 'cuda': torch.cuda.is_initialized(),"
        "'threads': torch.get_num_threads(), 'directory': directory, 'mine': os.environ['MINE'],"
        f"'key': {WORKERS_VARIABLE!r} in os.environ, 'home': 'HOME' in os.environ, 'parent': os.getppid()}}))\n"
        "os._exit(3)",
    )
    monkeypatch.setenv("MINE", "ü")
    monkeypatch.delenv("HOME")
    monkeypatch.chdir(workspace / "base")
    with pytest.raises(SystemExit) as ended:
        do(step)
    assert ended.value.code == 3
    threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count()))
    assert json.loads((workspace / "seen.json").read_text()) == {
        "trl": True, "cuda": False, "threads": threads, "directory": str(workspace / "base"), "mine": "ü", "key": False,
        "home": False, "parent": servers(pool_folder(address))[0],
    }  # fmt: skip


@pytest.mark.parametrize(("file", "kind"), [("train.jsonl", "DataError"), ("rewards.py", "RewardError")])
def test_an_error_comes_back_as_it_was(training, workspace, address, file, kind):
    (workspace / file).write_text("def length(prompts, responses): return 1\n")
    (name, config, *values), paths = step = training()
    with pytest.raises(Exception) as here:
        call_step(name, config, values, paths)
    with pytest.raises(Exception) as there:
        do(step)
    assert type(there.value) is type(here.value) and type(here.value).__name__ == kind
    assert str(there.value) == str(here.value)


def test_an_unexpected_error_is_in_the_tasks_log_with_its_traceback(training, address):
    (name, text, _), paths = training()
    task = start_task(([name, text, ["one", "half"]], paths))
    _, err = task.communicate()
    assert task.returncode == 1
    assert "Traceback" in err and "train_policy.py" in err and "ValueError: Unknown format code" in err


@pytest.mark.parametrize("place", ["worker", "own process"])
def test_the_reason_of_an_unexpected_error_is_recorded(training, config, address, place, monkeypatch):
    """A library knows no error of palm; the record, and so outcome and terminal, say more than an exit status."""
    monkeypatch.setenv(BUILD_VARIABLE, "build-1")
    if place == "own process":
        monkeypatch.delenv(WORKERS_VARIABLE)
    (name, text, _), paths = training()
    with one_line(BuildError, "step train_policy: failed by ValueError: Unknown format code", "traceback in its log"):
        do(([name, text, ["one", "half"]], paths))
    (record,) = task_records(config.storage.root, "build-1")
    assert "failed by ValueError: Unknown format code" in record.error and record.retry_may_help


def test_a_worker_that_ends_itself_is_recorded_in_words(training, config, address, monkeypatch):
    monkeypatch.setenv(BUILD_VARIABLE, "build-1")
    with pytest.raises(SystemExit):
        do(training("os._exit(3)"))
    (record,) = task_records(config.storage.root, "build-1")
    assert record.error == "the process ended itself with exit status 3"


def test_a_killed_worker_is_reported(training, workspace, address, monkeypatch):
    step = training("os.kill(os.getpid(), signal.SIGKILL)")
    monkeypatch.setenv(EVENTS_VARIABLE, str(workspace / "events.jsonl"))
    with pytest.raises(BuildError, match=r"step train_policy: its process was killed by SIGKILL; if memory"):
        do(step)
    events = [json.loads(line) for line in (workspace / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == ["start", "start", "error"]
    assert "SIGKILL" in events[-1]["error"]
    assert events[0]["process"] != os.getpid() and events[0]["label"] == "0.500 0.500"


def test_sigterm_reaches_the_worker_and_its_exit_status_the_task(training, workspace, address):
    task = start_task(training(ON_SIGTERM + WAIT))
    pid_in(workspace / "pid")
    task.send_signal(signal.SIGTERM)
    task.communicate(timeout=SHORT_SECONDS)
    assert task.returncode == 9


def test_the_worker_of_a_killed_task_ends_with_it(training, workspace, address):
    task = start_task(training(WAIT))
    worker = pid_in(workspace / "pid")
    assert runs(worker)
    task.kill()
    task.communicate()
    wait_until(lambda: not runs(worker))


def test_a_client_without_the_key_is_refused(training, workspace, address, monkeypatch):
    step = training("Path('ran').touch()\nos._exit(3)")
    key, _, path = address.partition("@")
    for wrong in ("", "0" * len(key), key[:-1]):
        monkeypatch.setenv(WORKERS_VARIABLE, f"{wrong}@{path}")
        with pytest.raises(BuildError, match="worker pool .* refuses"):
            do(step)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.send(f"{key}\n".encode())
        assert client.recv(16) == b""
    assert not (workspace / "ran").exists()
    assert Path(path).parent.stat().st_mode & 0o077 == 0
    monkeypatch.setenv(WORKERS_VARIABLE, address)
    with pytest.raises(SystemExit):
        do(step)
    assert (workspace / "ran").exists()


def test_a_pool_that_ends_leaves_nothing(training, tmp_path, monkeypatch):
    with worker_pool(tmp_path / "pool.log") as address:
        folder = pool_folder(address)
        wait_until(lambda: len(servers(folder)) == 1)
        assert folder.exists()
    assert not folder.exists() and not servers(folder)
    monkeypatch.setenv(WORKERS_VARIABLE, address)
    with pytest.raises(BuildError, match="has ended"):
        do(training())


@pytest.fixture
def holder(tmp_path, monkeypatch):
    """A process that keeps the pool of this test's tasks, and the pool's folder."""
    command = [sys.executable, "-c", HOLDER, tmp_path / "pool.log"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().strip()
        monkeypatch.setenv(WORKERS_VARIABLE, address)
        yield process, pool_folder(address)
        process.kill()


def test_an_interrupted_pool_refuses_further_steps_and_lets_the_running_one_clean_up(training, workspace, holder):
    """KFP would start every waiting task of a loop after Ctrl-C."""
    step = training(f"try:\n    {WAIT}\nexcept KeyboardInterrupt:\n    Path('clean').touch()\n    os._exit(7)")
    process, folder = holder
    running = start_task(step)
    worker = pid_in(workspace / "pid")
    (workspace / "pid").unlink()
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "interrupted\n"
    _, err = start_task(step).communicate(timeout=SHORT_SECONDS)
    assert "BuildError" in err and "refuses" in err and not (workspace / "pid").exists()
    assert runs(worker)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=SHORT_SECONDS)
    assert running.returncode == 7 and (workspace / "clean").exists()
    process.communicate("\n", timeout=SHORT_SECONDS)
    assert process.returncode == 0 and not servers(folder) and not folder.exists()


def test_a_pool_ends_with_its_starter_even_if_that_is_killed(training, workspace, holder):
    process, folder = holder
    task = start_task(training(ON_SIGTERM + WAIT))
    worker = pid_in(workspace / "pid")
    process.kill()
    process.communicate()
    task.communicate(timeout=SHORT_SECONDS)
    assert task.returncode == 9
    wait_until(lambda: not runs(worker) and not servers(folder))
    assert not folder.exists()
