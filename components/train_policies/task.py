"""The work of the component train_policies."""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from kfp import dsl

from palm.artifacts.plan import Training, Work
from palm.artifacts.policy import Policy
from palm.builds.markdown import verbatim
from palm.builds.records import failed_for_good
from palm.builds.reuse import fetched
from palm.components.authoring import write_metrics
from palm.config.portfolio import PortfolioConfig
from palm.config.resolve import resolve_config
from palm.errors import PreemptedError, in_words
from palm.progress import weights_label
from palm.steps.run import run_step
from palm.steps.workers.pool import separate_processes
from palm.storage.files import write_text

_LONGEST = 300
"""Characters of an error in an output parameter, of which Kubeflow keeps several copies; the record has all."""


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
            results = _train_all(resolved, trainings, given)
    write_text(Path(table.path), _table(results))
    policies = [result.policy for result in results if result.policy is not None]
    trained = [policy for policy in policies if not policy.reused]
    write_metrics(
        metrics,
        trained=len(trained),
        reused=len(policies) - len(trained),
        failed=len(results) - len(policies),
        device_seconds=sum(policy.device_seconds for policy in trained),
    )
    return [
        {"policy": result.policy.policy if result.policy else "", "weights": result.weights, "error": result.error}
        for result in results
    ]


@dataclass(frozen=True)
class _Result:
    weights: list[float]
    policy: Policy | None = None
    error: str = ""


def _train_all(config: PortfolioConfig, trainings: tuple[Training, ...], given: dict[str, str]) -> list[_Result]:
    """Train all policies; an error that a retry may fix is raised after the others are trained."""
    results, may_pass = [], None
    for training in trainings:
        weights = list(training.weights)
        try:
            results.append(_Result(weights, Policy.model_validate(train(config, training, given))))
        except (Exception, SystemExit) as error:
            if isinstance(error, SystemExit) and error.code == PreemptedError.exit_code:
                raise
            if failed_for_good(config.storage.root, "train_policy", _identity(training), error):
                results.append(_Result(weights, error=in_words(error)[:_LONGEST]))
            else:
                may_pass = error
    if may_pass is not None:
        raise may_pass
    return results


def train(config: PortfolioConfig, training: Training, given: dict[str, str]) -> dict:
    """Train one policy, as the step train_policy; `given` has the paths of base model and rollouts."""
    label, values = _identity(training)
    with TemporaryDirectory() as scratch:
        return run_step(
            "train_policy",
            config,
            *values,
            label=label,
            weights=list(training.weights),
            result=("policy", "weights", "reused", "start", "device_seconds", "guard"),
            destination=f"{scratch}/policy",
            **given,
        )


def _identity(training: Training) -> list:
    """Identity of the task in the build's records, as `palm.steps.run.run_step` makes it."""
    return [weights_label(training.weights), [list(training.weights), training.keep, training.start]]


def _table(results: list[_Result]) -> str:
    rows = [
        f"| {weights_label(result.weights)} | {result.policy.policy if result.policy else '–'} | {_state(result)} |"
        for result in results
    ]
    return "\n".join(["| weights | policy | |", "|---|---|---|", *rows]) + "\n"


def _state(result: _Result) -> str:
    if result.policy is None:
        return f"**failed**: {verbatim(result.error, cell=True)}"
    guard = f", stopped by a guard: {verbatim(result.policy.guard.message, cell=True)}" if result.policy.guard else ""
    return f"{'reused' if result.policy.reused else 'trained'}{guard}"
