"""Records of tasks and of their retries."""

import subprocess
import sys

import pytest

from palm.builds.records import (
    ATTEMPTS_VARIABLE,
    BUILD_VARIABLE,
    RETRY_VARIABLE,
    current_build,
    failed_for_good,
    recorded,
    task_records,
)
from palm.errors import BuildError, PreemptedError, StorageError, TrainingError

PASSING = StorageError("store", rule="cannot be read", remedy="try again")
HOPELESS = TrainingError("loss", rule="is not a number", remedy="lower the learning rate")


@pytest.fixture
def build(monkeypatch):
    monkeypatch.setenv(BUILD_VARIABLE, "run-1")
    return "run-1"


def test_outside_of_a_build_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.delenv(BUILD_VARIABLE, raising=False)
    with recorded(str(tmp_path), "train_policy", "1 0"):
        pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BuildError, match="PALM_BUILD_ID: is not set"):
        current_build()


def test_start_end_and_result_are_kept_a_task_each(tmp_path, build):
    with recorded(str(tmp_path), "train_policy", "1 0") as result:
        assert [record.state for record in task_records(str(tmp_path), build)] == ["running"]
        result["reused"] = True
    with recorded(str(tmp_path), "train_policy", "0 1"):
        pass
    first, second = task_records(str(tmp_path), build)
    assert (first.label, second.label) == ("1 0", "0 1")
    assert first.state == "succeeded" and first.result == {"reused": True}
    assert first.ended >= first.started
    assert task_records(str(tmp_path), "run-2") == []


@pytest.mark.parametrize(
    "error",
    [
        PreemptedError("policy", rule="stopped", remedy="again"),
        PASSING,
        MemoryError("CUDA"),
        SystemExit(137),
        KeyboardInterrupt(),
    ],
)
def test_an_error_that_a_retry_may_fix_is_retried(tmp_path, build, error):
    with pytest.raises(type(error)), recorded(str(tmp_path), "train_policy", "1 0"):
        raise error
    assert task_records(str(tmp_path), build)[0].state == "failed"
    with recorded(str(tmp_path), "train_policy", "1 0"):
        pass
    record = task_records(str(tmp_path), build)[0]
    assert record.state == "succeeded" and record.attempt == 2 and not record.error


def test_a_permanent_error_is_not_retried_in_this_build(tmp_path, build, monkeypatch):
    with pytest.raises(TrainingError), recorded(str(tmp_path), "train_policy", "1 0"):
        raise HOPELESS
    work = []
    message = "train_policy 1 0: has failed in this build already: loss: is not a number"
    with pytest.raises(BuildError, match=message), recorded(str(tmp_path), "train_policy", "1 0"):
        work.append(1)
    assert work == [] and task_records(str(tmp_path), build)[0].attempt == 1
    with recorded(str(tmp_path), "train_policy", "0 1"):
        work.append("another task")
    monkeypatch.setenv(BUILD_VARIABLE, "run-2")
    with recorded(str(tmp_path), "train_policy", "1 0"):
        work.append("another build")
    assert len(work) == 2


def test_a_process_that_is_killed_leaves_the_record_of_its_start(tmp_path, build):
    script = (
        "import os, signal\nfrom palm.builds.records import recorded\n"
        f"with recorded({str(tmp_path)!r}, 'train_policy', '1 0'): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == -9
    assert task_records(str(tmp_path), build)[0].state == "running"


def test_policies_whose_weights_look_alike_are_two_tasks(tmp_path, build):
    for weights in ([0.3334, 0.6666], [0.33325, 0.66675]):
        with pytest.raises(TrainingError), recorded(str(tmp_path), "train_policy", "0.333 0.667", identity=weights):
            raise HOPELESS
    assert len(task_records(str(tmp_path), build)) == 2


def test_a_second_task_of_the_same_work_leaves_the_record_of_the_first(tmp_path, build):
    for reused in (False, True):
        with recorded(str(tmp_path), "train_policy", "1 0") as result:
            result["reused"] = reused
    (record,) = task_records(str(tmp_path), build)
    assert record.result == {"reused": False} and record.attempt == 1


@pytest.mark.parametrize(("index", "again"), [("0", 0), ("1", 1)])
def test_a_retry_of_what_had_succeeded_is_counted(tmp_path, build, monkeypatch, index, again):
    """Kubeflow tries a task again only if it took it for failed; a second task of the same work is no retry."""
    for attempt in ("0", index):
        monkeypatch.setenv(RETRY_VARIABLE, attempt)
        with recorded(str(tmp_path), "train_policy", "1 0"):
            pass
    (record,) = task_records(str(tmp_path), build)
    assert record.again == again and record.attempt == 1 and record.state == "succeeded"


WEIGHTS = ["0.500 0.500", [[0.5, 0.5], "", ""]]


def fail(root, error) -> bool:
    """A task that fails once more; whether that was for good."""
    with pytest.raises(type(error)), recorded(root, "train_policy", WEIGHTS[0], identity=WEIGHTS):
        raise error
    return failed_for_good(root, "train_policy", WEIGHTS, error)


def test_a_failure_is_final_when_no_retry_is_left(tmp_path, build, monkeypatch):
    monkeypatch.setenv(ATTEMPTS_VARIABLE, "3")
    assert [fail(str(tmp_path), PASSING) for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize("attempts", ["4", None])
def test_a_permanent_failure_is_final_at_once(tmp_path, build, monkeypatch, attempts):
    if attempts is not None:
        monkeypatch.setenv(ATTEMPTS_VARIABLE, attempts)
    assert fail(str(tmp_path), HOPELESS)


def test_without_retries_every_failure_is_final(tmp_path, build, monkeypatch):
    monkeypatch.delenv(ATTEMPTS_VARIABLE, raising=False)
    assert fail(str(tmp_path), OSError("gone"))


def test_outside_a_build_only_a_permanent_failure_is_final(tmp_path, monkeypatch):
    monkeypatch.delenv(BUILD_VARIABLE, raising=False)
    assert not failed_for_good(str(tmp_path), "train_policy", WEIGHTS, PASSING)
    assert failed_for_good(str(tmp_path), "train_policy", WEIGHTS, HOPELESS)


@pytest.mark.parametrize(("retry", "for_good"), [("0", False), ("1", False), ("2", True)])
def test_the_attempts_that_count_are_those_of_the_pod(tmp_path, build, monkeypatch, retry, for_good):
    """It may have been lost before it came to this policy."""
    monkeypatch.setenv(ATTEMPTS_VARIABLE, "3")
    monkeypatch.setenv(RETRY_VARIABLE, retry)
    assert fail(str(tmp_path), PASSING) is for_good


def test_a_task_that_could_not_record_itself_or_its_failure_is_tried_again(tmp_path, build):
    assert not failed_for_good(str(tmp_path), "train_policy", WEIGHTS, PASSING)
    # The record says that it runs: the storage failed with it.
    with recorded(str(tmp_path), "train_policy", WEIGHTS[0], identity=WEIGHTS):
        assert not failed_for_good(str(tmp_path), "train_policy", WEIGHTS, PASSING)
