"""The work of the component train_policies."""

from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from kfp import dsl

from palm.artifacts.plan import Training, Work
from palm.builds.records import failed_for_good
from palm.builds.reuse import fetched
from palm.components.authoring import write_metrics
from palm.config.portfolio import PortfolioConfig
from palm.config.resolve import resolve_config
from palm.errors import PreemptedError, in_words
from palm.progress import weights_label
from palm.steps.worker_client import run_step, separate_processes
from palm.storage.files import write_text

_LONGEST = 300
"""Characters of an error in an output parameter, which Kubeflow keeps several times over; the record has all."""

_RESULT = ("policy", "weights", "reused", "start", "device_seconds", "guard")


def run(config: str, plan: dsl.Dataset, group: str, table: dsl.Markdown, metrics: dsl.Metrics) -> list[dict]:
    """Train the policies of a group, one after the other; policies that are in the storage are not trained again.

    A training that fails for good does not fail the task: the others of the group are trained, the task reports which
    one failed, and select_portfolio decides whether enough are left.

    Args:
        config: The configuration: the address that detect_change gives, or JSON text.
        plan: Folder of design_grid.
        group: Name of the group, one of those that design_grid gives.

    Returns:
        table: Shown by the Kubeflow UI: each policy of the group, or why its training failed.
        metrics: Shown by the Kubeflow UI: how many policies were trained, reused and failed, and device-seconds.
        Output: For each policy its weights, its name in the storage (empty if it failed) and the error.
    """
    resolved, work = resolve_config(config), Work.read(Path(plan.path))
    with fetched(resolved.storage.root, work.base_model, work.rollouts) as (base, rollouts):
        given = {"base_model": str(base), "rollouts": str(rollouts)}
        trainings = work.group(group)
        with separate_processes() if len(trainings) > 1 else nullcontext():
            trained = _train_all(resolved, trainings, given)
    write_text(Path(table.path), _table(trained))
    write_metrics(
        metrics,
        trained=sum(not entry["error"] and not entry["reused"] for entry in trained),
        reused=sum(not entry["error"] and entry["reused"] for entry in trained),
        failed=sum(bool(entry["error"]) for entry in trained),
        device_seconds=sum(entry["device_seconds"] for entry in trained if not entry["error"] and not entry["reused"]),
    )
    return [{key: entry[key] for key in ("policy", "weights", "error")} for entry in trained]


def _train_all(config: PortfolioConfig, trainings: tuple[Training, ...], given: dict[str, str]) -> list[dict]:
    """Train all policies; an error that a retry may fix is raised after the others are trained."""
    trained, may_pass = [], None
    for training in trainings:
        try:
            trained.append({**_train(config, training, given), "error": ""})
        except (Exception, SystemExit) as error:
            if _is_preemption(error):
                raise
            if failed_for_good(config.storage.root, "train_policy", _identity(training), error):
                trained.append({"policy": "", "weights": list(training.weights), "error": in_words(error)[:_LONGEST]})
            else:
                may_pass = error
    if may_pass is not None:
        raise may_pass
    return trained


def _train(config: PortfolioConfig, training: Training, given: dict[str, str]) -> dict:
    label, values = _identity(training)
    with TemporaryDirectory() as scratch:
        return run_step(
            "train_policy", config, *values, label=label, result=_RESULT, destination=f"{scratch}/policy", **given
        )


def _identity(training: Training) -> list:
    """Identity of the task in the build's records, as `palm.steps.worker_client.run_step` makes it."""
    return [weights_label(training.weights), [list(training.weights), training.keep, training.start]]


def _is_preemption(error: BaseException) -> bool:
    return isinstance(error, SystemExit) and error.code == PreemptedError.exit_code


def _table(trained: list[dict]) -> str:
    rows = [f"| {weights_label(entry['weights'])} | {entry['policy'] or '–'} | {_state(entry)} |" for entry in trained]
    return "\n".join(["| weights | policy | |", "|---|---|---|", *rows]) + "\n"


def _state(entry: dict) -> str:
    if entry["error"]:
        return f"**failed**: {entry['error']}".replace("|", "\\|")
    guard = f", stopped by a guard: {entry['guard']['message']}" if entry["guard"] else ""
    return f"{'reused' if entry['reused'] else 'trained'}{guard}"
