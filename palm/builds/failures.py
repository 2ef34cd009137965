"""Failures of a build: which tasks failed, and which of them ended the build, from the records of its tasks."""

from palm.artifacts.outcome import Failure
from palm.builds.records import FAILED, SUCCEEDED, TaskRecord

ENDED_WITHOUT_REPORT = (
    "had not ended when this was written, or ended without reporting why: killed (out of memory?), evicted, out of time"
)
NEVER_STARTED = "no node had room, the image could not be pulled, or the run was ended by hand"
NOTHING_AFTER = f"finished, but no task after it started: Kubeflow could not record its result, {NEVER_STARTED}"

_DONE = {
    "detect_change": "compared",
    "prepare_base_model": "prepared",
    "sample_reference": "sampled",
    "design_grid": "designed",
    "plan_training": "planned",
    "train_policy": "trained",
    "evaluate_policies": "evaluated",
    "select_portfolio": "selected",
    "register_portfolio": "registered",
    "promote_portfolio": "judged",
    "report": "reported",
}

_TASKS = (
    ("detect_change",),
    ("prepare_base_model", "sample_reference"),
    ("design_grid", "plan_training"),
    ("train_policy", "evaluate_policies"),
    ("select_portfolio",),
    ("register_portfolio", "promote_portfolio", "report"),
)
"""Steps of the tasks of a build, in order; groups of policies are trained and evaluated in parallel."""


def failed_tasks(records: list[TaskRecord]) -> list[Failure]:
    """Tasks that failed, or whose end is not recorded."""
    return [
        _failure(record, record.error if record.state == FAILED else ENDED_WITHOUT_REPORT)
        for record in records
        if record.state != SUCCEEDED
    ]


def ending_failures(records: list[TaskRecord]) -> list[Failure]:
    """Failures of a build that ended without a report, the most likely cause first; never empty.

    A task whose every attempt found its work finished has failed for Kubeflow: it could not record the result.
    """
    done, failures = [record for record in records if record.state == SUCCEEDED], failed_tasks(records)
    tolerated = []
    if any(record.step == "select_portfolio" for record in done):
        # The build continued without these policies.
        tolerated = [failure for failure in failures if failure.step == "train_policy"]
    found = _unrecorded(records) + [failure for failure in failures if failure not in tolerated]
    if found:
        return found + tolerated
    if done:
        return [_failure(done[-1], NOTHING_AFTER), *tolerated]
    return [Failure(step="a task", label="that never started", attempt=0, error=NEVER_STARTED)]


def could_not_record(step: str) -> str:
    """Error of a step that is finished although its task failed."""
    return f"{_DONE.get(step, 'finished')}, but Kubeflow could not record its result"


def _unrecorded(records: list[TaskRecord]) -> list[Failure]:
    """Tasks whose every attempt found the work finished, if no later task started: else their result was recorded.

    A policy is also found finished again if another one of its group is retried; that is no failure.
    """
    reached = max((_place(record.step) for record in records), default=0)
    retried = {record.step for record in records if record.state == FAILED and record.attempt > 1}
    vain = [
        record
        for record in records
        if record.state == SUCCEEDED
        and record.step not in retried
        and _place(record.step) == reached
        and record.again > 0
        and record.attempt + record.again >= record.attempts
    ]
    return [
        _failure(record, could_not_record(record.step), attempt=record.attempt + record.again)
        for record in vain
        if record.step == vain[-1].step
    ]


def _place(step: str) -> int:
    return next((place for place, steps in enumerate(_TASKS) if step in steps), 0)


def _failure(record: TaskRecord, error: str, attempt: int | None = None) -> Failure:
    return Failure(step=record.step, label=record.label, attempt=attempt or record.attempt, error=error)
