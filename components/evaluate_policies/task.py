"""The work of the component evaluate_policies."""

from pathlib import Path
from tempfile import TemporaryDirectory

from kfp import dsl

from palm.builds.reuse import fetch_entry, fetched
from palm.builds.training_groups import read_work
from palm.components.authoring import write_metrics
from palm.config.portfolio import PortfolioConfig
from palm.config.resolve import resolve_config
from palm.progress import weights_label
from palm.steps.run import run_step
from palm.storage.files import read_json, write_json

_SHOWN = {"J": "objective", "J_ref": "objective_reference", "J_gain": "gain", "KL": "kl"}


def run(config: str, plan: dsl.Dataset, policies: list[dict], metrics: dsl.Metrics) -> list[dict]:
    """Measure rewards, divergence, objective and value vector of policies.

    Args:
        config: The configuration: the address that detect_change gives, or JSON text.
        plan: Folder of design_grid.
        policies: What train_policies gives, or a trainer of your own: for each policy its weights, its name in the
            storage (empty if its training failed) and the error.

    Returns:
        metrics: What the Kubeflow UI shows of each policy: J, J_ref, J - J_ref, KL and each reward.
        Output: For each policy its name and that of its evaluation in the storage, or the weights and the error of a
            training that failed.
    """
    resolved, work = resolve_config(config), read_work(Path(plan.path))
    trained = [entry for entry in policies if entry["policy"]]
    with (
        fetched(resolved.storage.root, work.base_model, work.rollouts) as (base, rollouts),
        TemporaryDirectory() as scratch,
    ):
        records = _evaluate(resolved, trained, Path(scratch), base, rollouts) if trained else []
    several = len(records) > 1
    for record in records:
        _show(metrics, record, suffix=f" {weights_label(record['weights'])}" if several else "")
    entries = {record["policy"]: record["entry"] for record in records}
    return [
        {"policy": entry["policy"], "evaluation": entries[entry["policy"]]}
        if entry["policy"]
        else {"weights": entry["weights"], "error": entry["error"]}
        for entry in policies
    ]


def _evaluate(config: PortfolioConfig, trained: list[dict], scratch: Path, base: Path, rollouts: Path) -> list[dict]:
    # Two equal weight vectors are one policy.
    planned = {entry["policy"]: entry["weights"] for entry in trained}
    folders = [_fetched(config, name, weights, scratch / name) for name, weights in planned.items()]
    first = weights_label(trained[0]["weights"])
    return run_step(
        "evaluate_policies",
        config,
        identity=list(planned),
        label=first if len(folders) == 1 else f"{first} … {weights_label(trained[-1]['weights'])}",
        policies=[str(folder) for folder in folders],
        base_model=str(base),
        rollouts=str(rollouts),
        destinations=[str(scratch / f"evaluation-{index}") for index in range(len(folders))],
    )


def _fetched(config: PortfolioConfig, name: str, weights: list[float], folder: Path) -> Path:
    """A policy's folder, its weights those of the present objectives: it may be from a build that had others."""
    path = fetch_entry(config.storage.root, name, folder) / "policy.json"
    # A trainer of your own need not write this file.
    record = read_json(path) if path.exists() else {"guard": None}
    write_json(path, {**record, "policy": name, "weights": weights, "reward_names": config.reward_names})
    return folder


def _show(metrics: dsl.Metrics, record: dict, *, suffix: str) -> None:
    values = {name: record[key] for name, key in _SHOWN.items()}
    values |= {f"reward_{name}": entry for name, entry in record["rewards"].items()}
    write_metrics(metrics, **{f"{name}{suffix}": value["mean"] for name, value in values.items()})
