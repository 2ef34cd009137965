"""Outcome of a build: made from the records of its tasks, kept in the storage, written as Markdown."""

from palm.artifacts.outcome import Failure, Outcome, PolicyStates
from palm.builds.failures import NOTHING_AFTER, ending_failures, failed_tasks
from palm.builds.markdown import plain, verbatim
from palm.builds.records import SUCCEEDED, TaskRecord, read_record
from palm.builds.training_spent import Trained, TrainingSpent, training_spent
from palm.progress import weights_label
from palm.storage.records import Records

KEPT = "Finished work is kept in the storage: the next run reuses it and does only the rest."
_HEADER = "| step | label | attempts | error |\n|---|---|---|---|"


def read_outcome(root: str, build: str) -> Outcome | None:
    """Read the outcome of a build below ``storage.root``; None if there is none yet.

    An outcome without ``schema_version`` is from an older version of palm.
    """
    return read_record(Records(root), _name(build), Outcome)


def write_outcome(root: str, outcome: Outcome) -> None:
    """Keep an outcome below ``storage.root``."""
    Records(root).write(_name(outcome.build), outcome.model_dump())


def make_outcome(
    name: str,
    build: str,
    records: list[TaskRecord],
    *,
    ended: float,
    only_if_changed: bool,
    kfp_mlflow_run: str | None = None,
) -> Outcome:
    """Make the outcome of a build from the records of its tasks.

    Args:
        name: name of the portfolio.
        ended: seconds since 1970.
        only_if_changed: whether the pipeline builds only if an input has changed.
        kfp_mlflow_run: page of the run of Kubeflow Pipelines' MLflow plugin.
    """
    done = {record.step: record.result for record in records if record.state == SUCCEEDED}
    detected = done.get("detect_change", {})
    unchanged = only_if_changed and not detected.get("changed", True)
    failures = failed_tasks(records)
    # A build continues without policies whose training failed, if enough are left.
    ending = [failure for failure in failures if failure.step != "train_policy"]
    if "report" not in done and (failures or not unchanged):
        failures = ending = ending_failures(records)
    trainings = [record for record in records if record.step == "train_policy"]
    finished = [Trained(**record.result) for record in trainings if record.state == SUCCEEDED]
    spent = TrainingSpent(**done["report"]) if "report" in done else training_spent(finished)
    state, headline = _headline(done, ending)
    return Outcome(
        build=build,
        state=state,
        headline=f"{name}: {headline}",
        changes=detected.get("lines", ()),
        failures=failures,
        policies=PolicyStates(
            trained=spent.trained,
            continued=spent.continued,
            marked=[weights_label(policy.weights) for policy in finished if policy.guard and not policy.reused],
            reused=spent.reused,
            failed=[record.label for record in trainings if record.state != SUCCEEDED],
            not_started=[] if "report" in done else _not_started(done, trainings),
        ),
        device_seconds=spent.device_seconds,
        device_seconds_saved=spent.device_seconds_saved,
        kfp_mlflow_run=kfp_mlflow_run,
        ended=ended,
    )


def outcome_markdown(outcome: Outcome) -> str:
    """Write an outcome as Markdown."""
    policies = outcome.policies
    parts = [f"# {plain(outcome.headline)}"]
    if outcome.changes:
        parts.append("Changes since the last build:\n\n" + "\n".join(f"- {verbatim(line)}" for line in outcome.changes))
    if outcome.failures:
        parts.append("\n".join([_HEADER, *map(_row, outcome.failures)]))
    if any(policies.model_dump().values()):
        parts.append(
            f"Policies: {', '.join(_counts(policies))}; "
            f"{outcome.device_seconds:.0f} device-seconds of training, {outcome.device_seconds_saved:.0f} saved."
        )
    if outcome.state == "failed":
        parts.append(KEPT)
    parts.append(f"Build `{outcome.build}`.")
    if outcome.kfp_mlflow_run:
        parts.append(f"[Run of Kubeflow Pipelines' MLflow plugin]({outcome.kfp_mlflow_run})")
    return "\n\n".join(parts) + "\n"


def _name(build: str) -> str:
    return f"builds/{build}/outcome"


def _not_started(done: dict[str, dict], trainings: list[TaskRecord]) -> list[str]:
    # By the weights themselves: different vectors may have equal labels.
    started = {record.weights for record in trainings}
    planned = (tuple(weights) for weights in done.get("design_grid", {}).get("weights", ()))
    return [weights_label(weights) for weights in planned if weights not in started]


def _headline(done: dict[str, dict], ending: list[Failure]) -> tuple[str, str]:
    if ending:
        where = "after" if ending[0].error == NOTHING_AFTER else "at"
        more = f" (and {len(ending) - 1} more)" if len(ending) > 1 else ""
        return "failed", f"the build failed {where} {ending[0].task}{more}"
    if "report" not in done:
        return "unchanged", "nothing has changed, nothing was built"
    judged = done["promote_portfolio"]
    if judged["promoted"]:
        return "promoted", f"version {judged['version']} is champion: {judged['reason']}"
    return "refused", f"version {judged['version']} was not promoted: {judged['reason']}"


def _row(failure: Failure) -> str:
    label, error = plain(failure.label), verbatim(failure.error, cell=True)
    return f"| {failure.step} | {label} | {failure.attempt} | {error} |"


def _counts(policies: PolicyStates) -> list[str]:
    continued = f" ({len(policies.continued)} from earlier policies)" if policies.continued else ""
    counts = [
        f"{len(policies.trained)} trained{continued}",
        f"{len(policies.reused)} reused",
        f"{len(policies.failed)} failed",
    ]
    if policies.marked:
        counts.append(f"{len(policies.marked)} marked by a guard")
    if policies.not_started:
        counts.append(f"{len(policies.not_started)} not started")
    return counts
