"""The work of the component evaluate_policies."""

from pathlib import Path
from tempfile import TemporaryDirectory

from kfp import dsl

from palm.artifacts.evaluation import Evaluation
from palm.artifacts.plan import Work
from palm.artifacts.policy import Policy
from palm.builds.reuse import fetch_entry, fetched
from palm.components.authoring import write_metrics
from palm.config.portfolio import PortfolioConfig
from palm.config.resolve import resolve_config
from palm.progress import weights_label
from palm.steps.run import run_step

_SHOWN = {"J": "objective", "J_ref": "objective_reference", "J_gain": "gain", "KL": "kl"}


def run(config: str, plan: dsl.Dataset, policies: list[dict], metrics: dsl.Metrics) -> list[dict]:
    """Measure rewards, divergence, objective and value vector of policies.

    Args:
        config: The configuration: the address that detect_change gives, or JSON text.
        plan: Folder of design_grid.
        policies: Output of train_policies, or of a trainer of your own: for each policy its weights, its name in the
            storage (empty if its training failed) and the error.

    Returns:
        metrics: Shown by the Kubeflow UI for each policy: J, J_ref, J - J_ref, KL and each reward.
        Output: For each policy its name and that of its evaluation in the storage, or the weights and the error of a
            training that failed.
    """
    resolved, work = resolve_config(config), Work.read(Path(plan.path))
    trained = [entry for entry in policies if entry["policy"]]
    with (
        fetched(resolved.storage.root, work.base_model, work.rollouts) as (base, rollouts),
        TemporaryDirectory() as scratch,
    ):
        measured = _evaluate(resolved, trained, Path(scratch), base, rollouts) if trained else {}
    for evaluation, _ in measured.values():
        suffix = f" {weights_label(evaluation.weights)}" if len(measured) > 1 else ""
        means = {name: getattr(evaluation, key) for name, key in _SHOWN.items()}
        means |= {f"reward_{name}": mean for name, mean in evaluation.rewards.items()}
        write_metrics(metrics, **{f"{name}{suffix}": mean.mean for name, mean in means.items()})
    return [
        {"policy": entry["policy"], "evaluation": measured[entry["policy"]][1]}
        if entry["policy"]
        else {"weights": entry["weights"], "error": entry["error"]}
        for entry in policies
    ]


def _evaluate(
    config: PortfolioConfig, trained: list[dict], scratch: Path, base: Path, rollouts: Path
) -> dict[str, tuple[Evaluation, str]]:
    """Policy to its evaluation and the name of that in the store."""
    # Two equal weight vectors are one policy.
    planned = {entry["policy"]: entry["weights"] for entry in trained}
    folders = [_fetched(config, name, weights, scratch / name) for name, weights in planned.items()]
    destinations = [scratch / f"evaluation-{index}" for index in range(len(folders))]
    first = weights_label(trained[0]["weights"])
    entries = run_step(
        "evaluate_policies",
        config,
        identity=list(planned),
        label=first if len(folders) == 1 else f"{first} … {weights_label(trained[-1]['weights'])}",
        policies=[str(folder) for folder in folders],
        base_model=str(base),
        rollouts=str(rollouts),
        destinations=[str(folder) for folder in destinations],
    )
    evaluations = [Evaluation.read(folder) for folder in destinations]
    return dict(zip(planned, zip(evaluations, entries, strict=True), strict=True))


def _fetched(config: PortfolioConfig, name: str, weights: list[float], folder: Path) -> Path:
    """Folder of a policy, with its weights under the present objectives: an earlier build may have had others."""
    fetch_entry(config.storage.root, name, folder)
    present = {"policy": name, "weights": tuple(weights), "reward_names": tuple(config.reward_names)}
    # A trainer of your own need not write policy.json.
    written = (folder / Policy.FILE).exists()
    policy = Policy.read(folder).model_copy(update=present) if written else Policy(**present)
    policy.write(folder)
    return folder
