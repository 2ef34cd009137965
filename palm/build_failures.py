"""What ended a build that did not come to its end, drawn from the records of its tasks."""

from palm.build_record import FAILED, RUNNING, SUCCEEDED

ENDED_WITHOUT_A_WORD = (
    "had not ended when this was written, or ended without reporting why: killed (out of memory?), evicted, out of time"
)
NEVER_STARTED = "no node had room, the image could not be pulled, or the run was ended by hand"
NOTHING_AFTER = f"finished, and nothing after it has started: Kubeflow could not record its result, {NEVER_STARTED}"

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


def failed_tasks(records: list[dict]) -> list[dict]:
    """The tasks that failed, or of whose end nothing is known.

    Args:
        records: as `palm.build_record.task_records` gives them.

    Returns:
        ``step``, ``label``, ``attempt`` and ``error`` of each.
    """
    return [
        _failure(record, record["error"] if record["state"] == FAILED else ENDED_WITHOUT_A_WORD)
        for record in records
        if record["state"] in (FAILED, RUNNING)
    ]


def what_ended(records: list[dict]) -> list[dict]:
    """What ended a build without a report: the first is what to look at first.

    A task that every attempt found finished has failed for Kubeflow all the same: it could not record the result.

    Args:
        records: as `palm.build_record.task_records` gives them.

    Returns:
        As `failed_tasks`, never empty.
    """
    done = [record for record in records if record["state"] == SUCCEEDED]
    unrecorded = [record for record in done if _started_in_vain(record)]
    last = [record for record in unrecorded if record["step"] == unrecorded[-1]["step"]]
    found = [_failure(_with_every_attempt(record), could_not_record(record["step"])) for record in last]
    found += failed_tasks(records)
    if found:
        return found
    if done:
        return [_failure(done[-1], NOTHING_AFTER)]
    return [{"step": "a task", "label": "that never started", "attempt": 0, "error": NEVER_STARTED}]


def could_not_record(step: str) -> str:
    """What to say of a step that is finished, and whose task failed."""
    return f"{_DONE.get(step, 'finished')}, but Kubeflow could not record its result"


def task_name(failure: dict) -> str:
    """Step and label of a failure, for people."""
    return f"{failure['step']} {failure['label']}".strip()


def _started_in_vain(record: dict) -> bool:
    return record.get("again", 0) > 0 and _with_every_attempt(record)["attempt"] >= record["attempts"]


def _with_every_attempt(record: dict) -> dict:
    return {**record, "attempt": record["attempt"] + record["again"]}


def _failure(record: dict, error: str) -> dict:
    return {"step": record["step"], "label": record["label"], "attempt": record["attempt"], "error": error}
