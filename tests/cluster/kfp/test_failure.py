"""Reasons of failed runs: from the records in the storage, from the pods, or from neither."""

import json
import time

import pytest
from support.cluster_commands import palm

from palm.builds.heartbeat import SILENT_HOURS
from palm.builds.outcome import make_outcome, write_outcome
from palm.builds.records import ATTEMPTS_VARIABLE, BUILD_VARIABLE, RETRY_VARIABLE, recorded
from palm.cluster.kfp.connection import Address, connect
from palm.cluster.kfp.submission import follow
from palm.errors import ClusterError, TrainingError
from palm.storage.records import Records
from palm.storage.s3_settings import s3_settings

ROOT = "s3://palm/store"
NULL_VALUE = """\
trained policy-1 in 312 s
I1127 10:00:00.000000      18 launcher_v2.go:171] Done executing
F1127 10:00:01.000000      18 main.go:58] failed to execute component: unsupported value type NullValue
"""
UNRECORDED = "trained, but Kubeflow could not record its result"


@pytest.fixture
def run_id(kfp, submit) -> str:
    submit("--no-validate")
    (run_id,) = kfp.runs
    kfp.runs[run_id]["state"] = "RUNNING"
    return run_id


@pytest.fixture
def work(run_id, monkeypatch):
    """Tasks of the run, recorded as they do it."""
    monkeypatch.setenv(BUILD_VARIABLE, run_id)
    monkeypatch.setenv(ATTEMPTS_VARIABLE, "4")

    def call(step: str, label: str = "", *, retry: int = 0, error: Exception | None = None) -> None:
        monkeypatch.setenv(RETRY_VARIABLE, str(retry))
        if error is None:
            with recorded(ROOT, step, label):
                return
        with pytest.raises(type(error)), recorded(ROOT, step, label):
            raise error

    return call


def pod(name: str, phase: str = "Failed", message: str = "main: Error (exit code 1)", **more) -> dict:
    return {"name": name, "type": "Pod", "phase": phase, "message": message, **more}


def shown(kfp) -> tuple[str, str | None]:
    (run,) = json.loads(palm("runs", "--host", kfp.url, "--json").stdout)
    return run["state"], run["error"]


def test_a_task_that_failed_is_named_with_attempt_and_reason(kfp, run_id, work):
    work("sample_reference")
    for _ in range(2):
        work("train_policy", "0 1", error=MemoryError("CUDA"))
    kfp.end_run(run_id, "FAILED")
    assert shown(kfp) == ("failed", "train_policy 0 1, attempt 2: MemoryError: CUDA")
    with pytest.raises(ClusterError, match=r"failed \(train_policy 0 1, attempt 2: MemoryError: CUDA\); see "):
        follow(connect(Address(kfp.url)), run_id, on_state=lambda state: None)


def test_each_run_is_looked_up_where_its_own_address_says(kfp, submit, run_id, work):
    """Storages of two servers may have the same name."""
    work("train_policy", "0 1", error=MemoryError("CUDA"))
    submit("--no-validate")
    (other,) = set(kfp.runs) - {run_id}
    parameters = kfp.runs[other]["runtime_config"]["parameters"]
    parameters["config"] = parameters["config"].partition("?")[0] + "?endpoint=http%3A%2F%2F127.0.0.1%3A1&region=eu"
    for identity in kfp.runs:
        kfp.end_run(identity, "FAILED")
    runs = json.loads(palm("runs", "--host", kfp.url, "--json").stdout)
    found = {run["run_id"]: run["error"] for run in runs}
    assert found == {other: None, run_id: "train_policy 0 1, attempt 1: MemoryError: CUDA"}
    assert s3_settings() == {}


def test_results_that_kubeflow_could_not_record_are_named(kfp, run_id, work):
    work("sample_reference")
    for retry in range(4):
        for label in ("1 0", "0 1"):
            work("train_policy", label, retry=retry)
    kfp.end_run(run_id, "FAILED")
    assert shown(kfp) == ("failed", f"train_policy 1 0, attempt 4: {UNRECORDED} (and 1 more)")


@pytest.mark.parametrize("compressed", [False, True])
def test_the_pod_says_why_kubeflow_could_not_record_it(kfp, run_id, work, kubernetes, compressed):
    work("train_policy", "1 0")
    kfp.end_run(run_id, "FAILED")
    item = "build(0).policies(0).iteration-iterations(0:0).iteration-item(0)"
    nodes = [
        pod("design-grid(0).executor(0)", message="pod deleted", finishedAt="2026-11-27T09:00:00Z"),
        pod("design-grid(0).executor(1)", "Succeeded", ""),
        pod(f"{item}.train-policies(0).executor(0)", finishedAt="2026-11-27T10:00:00Z"),
        pod(f"{item}.train-policies(0).executor(1)", finishedAt="2026-11-27T10:05:00Z", log=NULL_VALUE),
        pod(f"{item}.evaluate-policies-driver(0)", finishedAt="2026-11-27T10:06:00Z"),
    ]
    kubernetes.add_workflow("kubeflow", run_id, nodes, compressed=compressed)
    reason = "main: Error (exit code 1): failed to execute component: unsupported value type NullValue"
    assert shown(kfp) == ("failed", f"train_policy 1 0, attempt 2: {UNRECORDED} ({reason})")
    # Without the right to read logs the reason is shorter.
    kubernetes.forbidden.add("pods/log")
    assert shown(kfp) == ("failed", f"train_policy 1 0, attempt 2: {UNRECORDED} (main: Error (exit code 1))")
    kubernetes.forbidden.add("workflows")
    assert shown(kfp)[1].startswith("train_policy 1 0, attempt 1: finished, but no task after it started")


def test_a_pod_that_was_killed_says_it_where_its_record_cannot(kfp, run_id, kubernetes, monkeypatch):
    monkeypatch.setenv(BUILD_VARIABLE, run_id)
    with recorded(ROOT, "train_policy", "1 0"):
        kfp.end_run(run_id, "FAILED")
        assert shown(kfp)[1].startswith("train_policy 1 0, attempt 1: had not ended when this was written")
        nodes = [pod("train-policies(0).executor(0)", message="OOMKilled (exit code 137)", log="step 3 of 40\n")]
        kubernetes.add_workflow("kubeflow", run_id, nodes)
        assert shown(kfp)[1] == "train_policy 1 0, attempt 1: OOMKilled (exit code 137): step 3 of 40"


def test_a_driver_that_failed_is_no_work_that_failed(kfp, run_id, work, kubernetes):
    work("sample_reference")
    kfp.end_run(run_id, "FAILED")
    kubernetes.add_workflow(
        "kubeflow", run_id, [pod("design-grid-driver(0)", log="F1127 10:00:00.0 1 main.go:1] no\n")]
    )
    assert shown(kfp) == ("failed", "design-grid (its driver), attempt 1: main: Error (exit code 1): no")


def test_a_storage_that_cannot_be_read_is_no_error(kfp, run_id, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert shown(kfp) == ("running", None)
    kfp.end_run(run_id, "FAILED")
    assert shown(kfp) == ("failed", None)


@pytest.mark.parametrize("ends", ["FAILED", "CANCELED"])
def test_a_run_that_somebody_ended_has_not_failed(kfp, run_id, work, ends):
    """The exit handler runs all the same, and the server then says that the run failed."""
    work("train_policy", "1 0", error=TrainingError("policy", rule="was stopped", remedy="run again"))
    connection = connect(Address(kfp.url))
    with connection.requests() as client:
        client.terminate_run(run_id)
    assert shown(kfp) == ("being cancelled", None)
    kfp.end_run(run_id, ends)
    assert shown(kfp) == ("cancelled by hand", None)
    with pytest.raises(ClusterError, match="cancelled by hand; see "):
        follow(connection, run_id, on_state=lambda state: None)


def test_an_abandoned_run_does_not_count_as_running(kfp, run_id, work):
    """Its Workflow was removed: the server says for ever that it runs, and its heartbeat is old."""
    work("sample_reference")
    assert shown(kfp) == ("running", None)
    long_ago = time.time() - SILENT_HOURS * 3600 - 60
    Records(ROOT).write(f"builds/{run_id}/heartbeat", {"at": long_ago})
    assert shown(kfp) == ("ended without an outcome", None)
    ended = make_outcome("small", run_id, [], ended=long_ago, only_if_changed=False)
    write_outcome(ROOT, ended.model_copy(update={"abandoned": True}))
    assert shown(kfp) == ("ended without an outcome", None)
    Records(ROOT).write(f"builds/{run_id}/heartbeat", {"at": time.time()})
    assert shown(kfp) == ("running", None), "it has gone on after it was closed"
    write_outcome(ROOT, ended)
    assert shown(kfp) == ("running", None)


def test_a_schedule_is_not_kept_for_an_abandoned_run(kfp, schedule):
    schedule("--cron", "0 0 2 * * *")
    (old,) = kfp.recurring_runs
    run_id = kfp.fire(old)
    Records(ROOT).write(f"builds/{run_id}/heartbeat", {"at": time.time()})
    assert schedule("--delete").stdout.splitlines()[0] == "small: 0 removed"
    Records(ROOT).write(f"builds/{run_id}/heartbeat", {"at": time.time() - SILENT_HOURS * 3600 - 60})
    assert schedule("--delete").stdout == "small: 1 removed\n"
