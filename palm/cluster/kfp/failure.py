"""State of a run and the reason of a failure, from the records in the storage, Kubernetes and Kubeflow Pipelines."""

from dataclasses import dataclass

from palm.artifacts.outcome import Failure
from palm.builds.failures import ENDED_WITHOUT_REPORT, NOTHING_AFTER, could_not_record, ending_failures, failed_tasks
from palm.builds.heartbeat import is_silent, last_heard
from palm.builds.outcome import read_outcome
from palm.builds.records import SUCCEEDED, TaskRecord, task_records
from palm.cluster.kfp.connection import Connection
from palm.cluster.kfp.failed_pods import FailedPod, failed_pod
from palm.cluster.kubernetes_access import Kubernetes, connect_kubernetes
from palm.config.resolve import root_of
from palm.errors import ClusterError, DamagedError, StorageError
from palm.storage.s3_settings import as_told_by

ENDED_WITHOUT_AN_OUTCOME = "ended without an outcome"

_WORDS = {
    "PENDING": "waiting",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "SKIPPED": "skipped",
    "FAILED": "failed",
    "CANCELING": "being cancelled",
    "CANCELED": "cancelled by hand",
    "PAUSED": "paused",
}
_LONGEST = 400
"""Characters of a reason."""
_UNCERTAIN = {ENDED_WITHOUT_REPORT, NOTHING_AFTER}
_NAMESPACE = "kubeflow"
"""Namespace of runs where Kubeflow Pipelines serves one user."""

_LAST_STEPS = {
    "detect-change": "detect_change",
    "sample-reference": "sample_reference",
    "design-grid": "plan_training",
    "train-policies": "train_policy",
    "evaluate-policies": "evaluate_policies",
    "select-portfolio": "select_portfolio",
    "register-portfolio": "report",
}
"""Last step of each task of the pipelines."""


@dataclass(frozen=True)
class RunState:
    """State of a run in words, and why it failed, in one line; None if it did not fail, or no source knows."""

    state: str
    reason: str | None = None


class Diagnosis:
    """States of runs. A source that fails or is forbidden is not asked again."""

    def __init__(self, connection: Connection):
        self._namespace = connection.namespace or _NAMESPACE
        self._closed: set[str] = set()
        self._opened: Kubernetes | None = None

    def of(self, run) -> RunState:
        """State of a run, given as the API returns it."""
        if run.state in ("FAILED", "CANCELED") and _was_cancelled(run):
            return RunState(_WORDS["CANCELED"])
        if run.state == "FAILED":
            return RunState(_WORDS["FAILED"], self._reason(run))
        if run.state in ("RUNNING", "PENDING") and self._is_abandoned(run):
            return RunState(ENDED_WITHOUT_AN_OUTCOME)
        return RunState(state_in_words(run.state))

    def _reason(self, run) -> str | None:
        records = self._stored(run, lambda root: task_records(root, run.run_id)) or []
        reported = any(record.step == "report" and record.state == SUCCEEDED for record in records)
        ended = failed_tasks(records) if reported or not records else ending_failures(records)
        if ended and ended[0].error in {record.error for record in records}:
            return _sentence(ended)
        pod = self._failed_pod(run)
        if pod is not None:
            return _one_line(_of_pod(pod, records, ended))
        said = _said_by_server(run)
        if said is not None and (not ended or ended[0].error in _UNCERTAIN):
            return said
        return _sentence(ended) if ended else None

    def _is_abandoned(self, run) -> bool:
        def look(root: str) -> bool:
            outcome, heard = read_outcome(root, run.run_id), last_heard(root, run.run_id)
            if outcome is not None:
                return outcome.abandoned and (heard is None or heard <= outcome.ended)
            # A run that was removed before its first task started has no heartbeat.
            return is_silent(heard or run.created_at.timestamp())

        return bool(self._stored(run, look))

    def _stored(self, run, look):
        """What `look` reads from the storage of a run; None if the storage is unknown or cannot be read."""
        address = ((run.runtime_config and run.runtime_config.parameters) or {}).get("config", "")
        root = root_of(address)
        storage = f"{root}?{address.partition('?')[2]}"
        if root is None or storage in self._closed:
            return None
        try:
            with as_told_by(address):
                return look(root)
        except DamagedError:
            return None
        except StorageError:
            self._closed.add(storage)
            return None

    def _failed_pod(self, run) -> FailedPod | None:
        if "" in self._closed:
            return None
        try:
            self._opened = self._opened or connect_kubernetes()
            return failed_pod(self._opened, self._namespace, run.run_id)
        except ClusterError:
            self._closed.add("")
            return None


def state_in_words(state: str | None) -> str:
    """A run's state for people."""
    return _WORDS.get(state, "unknown")


def _was_cancelled(run) -> bool:
    """Whether a run was cancelled. Its exit handler still runs, after which the server reports a failure."""
    return run.state == "CANCELED" or any(entry.state == "CANCELING" for entry in run.state_history or ())


def _of_pod(pod: FailedPod, records: list[TaskRecord], ended: list[Failure]) -> str:
    step = _LAST_STEPS.get(pod.task)
    of_step = [record for record in records if record.step == step]
    # The task that designs the grid trains the corners of soups last.
    finished = all(record.state == SUCCEEDED for record in records if record.step in (step, "train_policy"))
    if pod.worked and of_step and finished:
        label = of_step[0].label if len(of_step) == 1 else f"({len(of_step)} finished)"
        return f"{step} {label}".strip() + f", attempt {pod.attempt}: {could_not_record(step)} ({pod.reason})"
    silent = next((failure for failure in ended if failure.step == step), None)
    name = silent.task if silent else f"{pod.task}{'' if pod.worked else ' (its driver)'}"
    return f"{name}, attempt {pod.attempt}: {pod.reason or 'Kubernetes gives no reason'}"


def _sentence(failures: list[Failure]) -> str:
    first = failures[0]
    more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
    return _one_line(f"{first.task}, attempt {first.attempt}: {first.error}{more}")


def _said_by_server(run) -> str | None:
    """The run's own message, or that of its first failed task; Kubeflow Pipelines 2.17 gives neither."""
    if run.error is not None and run.error.message:
        return _one_line(run.error.message)
    tasks = (run.run_details.task_details if run.run_details else None) or ()
    for task in tasks:
        if task.error is not None and task.error.message:
            return _one_line(f"{task.display_name}: {task.error.message}")
    return None


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST]
