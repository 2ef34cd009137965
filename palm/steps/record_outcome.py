"""Step that runs last whatever happened: what became of the build, and why."""

import time
from pathlib import Path

from palm.builds.failures import NOTHING_AFTER, failed_tasks, task_name, what_ended
from palm.builds.records import FAILED, RUNNING, SUCCEEDED, page_name, record_owner, task_records
from palm.builds.training_spent import training_spent
from palm.config.portfolio import PortfolioConfig
from palm.progress import stage, weights_label
from palm.registry.kfp_plugin import plugin_link
from palm.registry.portfolio_registry import PortfolioRegistry
from palm.reporting.outcome_page import write_outcome_page
from palm.storage.files import write_text
from palm.storage.records import Records


def record_outcome(
    config: PortfolioConfig, build_id: str, destination: Path, page: Path, *, only_if_changed: bool
) -> dict:
    """Tell what became of a build: in a Markdown file, on a page, in the storage and, if it failed, in MLflow.

    Args:
        config: the configuration.
        build_id: names the build.
        destination: Markdown file to write.
        page: HTML file to write: the page of the build (`palm.steps.report`), or the outcome if it made none.
        only_if_changed: whether the pipeline builds only if an input has changed.

    Returns:
        ``build``, ``state`` (failed, promoted, refused or unchanged), ``headline``, ``changes``, ``failures`` (of
        tasks: ``step``, ``label``, ``attempt``, ``error``), ``policies`` (``trained``, of these ``continued`` and,
        by a guard, ``marked``; ``reused``, ``failed``, ``not_started``: lists of preference weights),
        ``device_seconds`` of training and ``device_seconds_saved`` (`palm.builds.training_spent`),
        ``kfp_mlflow_run`` (page of the run of Kubeflow Pipelines' MLflow plugin, or None); the same is the record
        ``builds/<build_id>/outcome``.

    Raises:
        StorageError: the records cannot be read or written.
        RegistryError: the build failed, and MLflow could not be told; the file and the record are there.
    """
    with stage("record_outcome", config.name):
        # A build none of whose tasks has started has not said yet whose it is.
        record_owner(config)
        records = task_records(config.storage.root, build_id)
        outcome = {
            **describe_outcome(config.name, build_id, records, only_if_changed=only_if_changed),
            "kfp_mlflow_run": plugin_link(),
        }
        text = outcome_markdown(outcome)
        write_text(destination, text)
        kept = Records(config.storage.root)
        kept.write(f"builds/{build_id}/outcome", {**outcome, "ended": time.time()})
        if outcome["state"] == "failed" or not kept.read_file(page_name(build_id), page):
            write_outcome_page(config.name, outcome, page)
        if outcome["state"] == "failed":
            PortfolioRegistry(config).fail(build_id, text)
    return outcome


def describe_outcome(name: str, build: str, records: list[dict], *, only_if_changed: bool) -> dict:
    """Draw the outcome from the records of a build's tasks.

    Args:
        name: name of the portfolio.
        build: name of the build.
        records: as `palm.builds.records.task_records` gives them.
        only_if_changed: whether the pipeline builds only if an input has changed.

    Returns:
        As `record_outcome`, without ``kfp_mlflow_run``.
    """
    done = {record["step"]: record["result"] for record in records if record["state"] == SUCCEEDED}
    unchanged = only_if_changed and not done.get("detect_change", {}).get("changed", True)
    failures = failed_tasks(records)
    # With enough policies left a build goes on without those whose training failed.
    ended_it = [failure for failure in failures if failure["step"] != "train_policy"]
    if "report" not in done and (failures or not unchanged):
        failures = ended_it = what_ended(records)
    trainings = [record for record in records if record["step"] == "train_policy"]
    finished = [record["result"] for record in trainings if record["state"] == SUCCEEDED]
    spent = done["report"] if "report" in done else training_spent(finished)
    policies = {
        **{key: spent[key] for key in ("trained", "continued", "reused")},
        "marked": [weights_label(record["weights"]) for record in finished if not record["reused"] and record["guard"]],
        "failed": [record["label"] for record in trainings if record["state"] in (FAILED, RUNNING)],
    }
    begun = {label for labels in policies.values() for label in labels}
    policies["not_started"] = [] if "report" in done else [label for label in _planned(done) if label not in begun]
    state, headline = _headline(done, ended_it)
    return {
        "build": build,
        "state": state,
        "headline": f"{name}: {headline}",
        "changes": done.get("detect_change", {}).get("lines", []),
        "failures": failures,
        "policies": policies,
        **{key: spent[key] for key in ("device_seconds", "device_seconds_saved")},
    }


def _planned(done: dict[str, dict]) -> list[str]:
    return [weights_label(weights) for weights in done.get("design_grid", {}).get("weights", [])]


def _headline(done: dict[str, dict], failures: list[dict]) -> tuple[str, str]:
    if failures:
        where = "after" if failures[0]["error"] == NOTHING_AFTER else "at"
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        return "failed", f"the build failed {where} {task_name(failures[0])}{more}"
    if "report" not in done:
        return "unchanged", "nothing has changed, nothing was built"
    judged = done["promote_portfolio"]
    if judged["promoted"]:
        return "promoted", f"version {judged['version']} is champion: {judged['reason']}"
    return "refused", f"version {judged['version']} was not promoted: {judged['reason']}"


def outcome_markdown(outcome: dict) -> str:
    """Write an outcome for people.

    Args:
        outcome: as `record_outcome` gives it.

    Returns:
        Markdown.
    """
    policies = outcome["policies"]
    parts = [f"# {outcome['headline']}"]
    if outcome["changes"]:
        parts.append("What had changed:\n\n" + "\n".join(f"- {line}" for line in outcome["changes"]))
    if outcome["failures"]:
        rows = [
            f"| {failure['step']} | {failure['label']} | {failure['attempt']} | {_cell(failure['error'])} |"
            for failure in outcome["failures"]
        ]
        parts.append("\n".join(["| step | of | attempts | why |", "|---|---|---|---|", *rows]))
    if any(policies.values()):
        counts = [
            f"{len(policies[key])} {word}"
            for key, word in (("trained", "trained"), ("reused", "reused"), ("failed", "failed"))
        ]
        if policies["continued"]:
            counts[0] += f" ({len(policies['continued'])} from earlier ones)"
        if policies["marked"]:
            counts.append(f"{len(policies['marked'])} marked by a guard")
        if policies["not_started"]:
            counts.append(f"{len(policies['not_started'])} never started")
        spent, saved = outcome["device_seconds"], outcome["device_seconds_saved"]
        parts.append(f"Policies: {', '.join(counts)}; {spent:.0f} device-seconds of training, {saved:.0f} saved.")
    if outcome["state"] == "failed":
        parts.append("What is finished is kept in the storage: the next run reuses it and does only the rest.")
    parts.append(f"Build `{outcome['build']}`.")
    if outcome.get("kfp_mlflow_run"):
        parts.append(f"[The run of Kubeflow Pipelines' MLflow plugin]({outcome['kfp_mlflow_run']})")
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
