"""What ended a build that did not come to its end, drawn from the records of its tasks."""

from palm.builds.records import FAILED, RUNNING, SUCCEEDED

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


_TASKS = (
    ("detect_change",),
    ("prepare_base_model", "sample_reference"),
    ("design_grid", "plan_training"),
    ("train_policy", "evaluate_policies"),
    ("select_portfolio",),
    ("register_portfolio", "promote_portfolio", "report"),
)
"""Steps of the tasks of a build, in their order."""


def failed_tasks(records: list[dict]) -> list[dict]:
    """The tasks that failed, or of whose end nothing is known.

    Args:
        records: as `palm.builds.records.task_records` gives them.

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
        records: as `palm.builds.records.task_records` gives them.

    Returns:
        As `failed_tasks`, never empty.
    """
    done, failures = [record for record in records if record["state"] == SUCCEEDED], failed_tasks(records)
    tolerated = []
    if any(record["step"] == "select_portfolio" for record in done):
        # The build went on without these.
        tolerated = [failure for failure in failures if failure["step"] == "train_policy"]
    found = _unrecorded(records) + [failure for failure in failures if failure not in tolerated]
    if found:
        return found + tolerated
    if done:
        return [_failure(done[-1], NOTHING_AFTER), *tolerated]
    return [{"step": "a task", "label": "that never started", "attempt": 0, "error": NEVER_STARTED}]


def could_not_record(step: str) -> str:
    """What to say of a step that is finished, and whose task failed."""
    return f"{_DONE.get(step, 'finished')}, but Kubeflow could not record its result"


def task_name(failure: dict) -> str:
    """Step and label of a failure, for people."""
    return f"{failure['step']} {failure['label']}".strip()


def _unrecorded(records: list[dict]) -> list[dict]:
    """Tasks that every attempt found finished, unless something after them has run: then their result was recorded.

    A policy that is found finished again because another one of its group is tried again has done nothing wrong.
    """
    reached = max((_place(record["step"]) for record in records), default=0)
    tried_again = {record["step"] for record in records if record["state"] == FAILED and record["attempt"] > 1}
    vain = [
        record
        for record in records
        if record["state"] == SUCCEEDED
        and record["step"] not in tried_again
        and _place(record["step"]) == reached
        and _started_in_vain(record)
    ]
    last = [record for record in vain if record["step"] == vain[-1]["step"]]
    return [_failure(_with_every_attempt(record), could_not_record(record["step"])) for record in last]


def _place(step: str) -> int:
    """Place of a step in a build; groups are trained and evaluated side by side, and a task may do several steps."""
    return next((place for place, steps in enumerate(_TASKS) if step in steps), 0)


def _started_in_vain(record: dict) -> bool:
    return record.get("again", 0) > 0 and _with_every_attempt(record)["attempt"] >= record["attempts"]


def _with_every_attempt(record: dict) -> dict:
    return {**record, "attempt": record["attempt"] + record["again"]}


def _failure(record: dict, error: str) -> dict:
    return {"step": record["step"], "label": record["label"], "attempt": record["attempt"], "error": error}
