"""The component train_policies in a pipeline of its own, and its failed trainings."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from kfp import dsl
from support.mini_pipeline import given, run_locally

from palm.artifacts.plan import Group, Work
from palm.artifacts.policy import Policy
from palm.builds.records import ATTEMPTS_VARIABLE, BUILD_VARIABLE, task_records
from palm.builds.reuse import fetched
from palm.components.train_policies.component import train_policies
from palm.components.train_policies.task import run
from palm.config.load import parse_config
from palm.errors import PreemptedError, StorageError
from palm.progress import EVENTS_VARIABLE

Trained = NamedTuple("Trained", policies=list, table=dsl.Markdown, metrics=dsl.Metrics)
ADAPTER = "adapter_model.safetensors"
GONE = "policy-000000000000"


def test_trains_the_policy_that_the_library_trains(build, config, keep, tmp_path):
    keep(*build.reference.values())

    @dsl.pipeline
    def alone() -> Trained:
        task = train_policies(config=config, plan=given(dsl.Dataset, build.plan), group="2: 0.500 0.500")
        return Trained(task.outputs["Output"], task.outputs["table"], task.outputs["metrics"])

    first = run_locally(alone, tmp_path / "first")
    assert first["policies"] == [build.trained[1]]
    with fetched(parse_config(config).storage.root, build.trained[1]["policy"]) as (policy,):
        stored, expected = Policy.read(policy), Policy.read(build.policies[1])
        # Only the copy of a build has these.
        differing = {key: getattr(expected, key) for key in ("training_seconds", "device_seconds", "reused")}
        assert stored.model_copy(update=differing) == expected
        assert (policy / ADAPTER).read_bytes() == (build.policies[1] / ADAPTER).read_bytes()
    spent = stored.training_seconds * expected.definition["training"]["processes"]
    assert first["metrics"].metadata == {"trained": 1, "reused": 0, "failed": 0, "device_seconds": spent}
    assert Path(first["table"].path).read_text(encoding="utf-8").splitlines()[2:] == [
        f"| 0.500 0.500 | {build.trained[1]['policy']} | trained |"
    ]
    again = run_locally(alone, tmp_path / "again")
    assert again["policies"] == first["policies"]
    assert again["metrics"].metadata == {"trained": 0, "reused": 1, "failed": 0, "device_seconds": 0}


@pytest.fixture
def group(build, config, keep, tmp_path, monkeypatch):
    """A function that trains a group of two in a build: the first kept from an entry, the second trained."""
    keep(*build.reference.values())
    monkeypatch.setenv(BUILD_VARIABLE, "component")
    first, second, _ = (training for group in Work.read(build.plan).groups for training in group.trainings)
    outputs = dsl.Markdown(uri=str(tmp_path / "table.md")), dsl.Metrics()

    def train(kept: str, config: str = config) -> list[dict]:
        plan = tmp_path / "plan"
        plan.mkdir(exist_ok=True)
        both = Group(name="both", trainings=(first.model_copy(update={"keep": kept}), second))
        Work(**build.reference, groups=(both,)).write(plan)
        return run(config, dsl.Dataset(uri=str(plan)), "both", *outputs)

    train.table = tmp_path / "table.md"
    train.metrics = outputs[1]
    return train


def test_a_policy_that_fails_for_good_does_not_fail_its_group(build, config, keep, group):
    keep(build.trained[0]["policy"])
    root = Path(parse_config(config).storage.root)
    adapter = root / build.trained[0]["policy"] / ADAPTER
    adapter.write_bytes(adapter.read_bytes()[:-1] + b"x")
    failed, trained = group(build.trained[0]["policy"])
    assert (failed["policy"], failed["weights"]) == ("", build.weights[0])
    assert str(adapter) in failed["error"] and "sha256" in failed["error"]
    assert trained == build.trained[1]
    assert group.metrics.metadata["failed"] == group.metrics.metadata["trained"] == 1
    assert "| 0.000 1.000 | – | **failed**: " in group.table.read_text(encoding="utf-8")
    # A retry of the task, after its pod was lost, says the same and trains nothing.
    again = group(build.trained[0]["policy"])
    assert again[1] == trained and again[0]["error"].startswith("train_policy 0.000 1.000: has failed in this build")
    assert group.metrics.metadata["reused"] == 1


def test_an_error_that_a_retry_may_fix_is_retried_once_the_others_are_trained(build, config, group, monkeypatch):
    monkeypatch.setenv(ATTEMPTS_VARIABLE, "2")
    root = parse_config(config).storage.root
    with pytest.raises(StorageError, match=f"{GONE}: does not exist any more"):
        group(GONE)
    assert (Path(root) / build.trained[1]["policy"] / ADAPTER).exists()
    failed, trained = group(GONE)
    assert failed["policy"] == "" and f"{GONE}: does not exist any more" in failed["error"]
    assert trained == build.trained[1]
    states = {record.label: (record.state, record.attempt) for record in task_records(root, "component")}
    assert states == {"0.000 1.000": ("failed", 2), "0.500 0.500": ("succeeded", 1)}


def test_outside_of_a_build_an_error_that_a_retry_may_fix_fails_the_task(group, monkeypatch):
    """In a pipeline of your own the number of attempts is unknown."""
    monkeypatch.delenv(BUILD_VARIABLE)
    with pytest.raises(StorageError, match="does not exist any more"):
        group(GONE)


def test_a_training_that_is_killed_does_not_end_the_others(group, monkeypatch):
    """Memory runs out, say: each training of a group is a process."""
    monkeypatch.delenv(ATTEMPTS_VARIABLE, raising=False)
    threading.Thread(target=_kill_the_first_training, daemon=True).start()
    killed, trained = group("")
    assert "its process was killed by SIGKILL" in killed["error"] and trained["policy"]


def _kill_the_first_training() -> None:
    """The process that trainings are forked from is a child of this one, which may have others."""
    trainings = []
    while not trainings:
        time.sleep(0.01)
        pools = [child for child in psutil.Process().children() if "palm.steps.workers.server" in child.cmdline()]
        trainings = [process for pool in pools for process in pool.children()]
    trainings[0].kill()


def test_a_preempted_task_ends_at_once_to_be_started_again(config, group, tmp_path, monkeypatch):
    """Another training in the same pod would be preempted as well, without time to keep a checkpoint."""
    monkeypatch.setenv(ATTEMPTS_VARIABLE, "1")
    monkeypatch.setenv(EVENTS_VARIABLE, str(tmp_path / "events.jsonl"))
    parsed = parse_config(config)
    long = parsed.training.rwr.model_copy(update={"epochs": 10000})
    training = parsed.training.model_copy(update={"rwr": long})
    config = parsed.model_copy(update={"training": training}).to_json()
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_stop_when_it_trains, args=[tmp_path / "events.jsonl"], daemon=True).start()
    try:
        with pytest.raises(SystemExit) as ended:
            group("", config)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == PreemptedError.exit_code
    (record,) = task_records(parsed.storage.root, "component")
    assert (record.label, record.state, record.retry_may_help) == ("0.000 1.000", "failed", True)


def _stop_when_it_trains(events: Path) -> None:
    while not events.exists() or '"advance"' not in events.read_text():
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGTERM)
