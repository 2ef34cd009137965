"""Metrics and parameters in the runs of a build and of its policies."""

from collections.abc import Iterable
from pathlib import Path

from palm.artifacts.evaluation import Measurements
from palm.artifacts.policy import TrainingLog
from palm.artifacts.selection import Selection
from palm.config.portfolio import PortfolioConfig
from palm.registry.client import Client

EPSILON, PORTFOLIO_SIZE = "epsilon", "portfolio_size"
"""Metrics of a build's run."""
_BATCH = 1000
"""Metrics that MLflow takes at once."""
_MEANS = ("objective", "objective_reference", "objective_optimum", "gain", "kl", "response_tokens")
_NUMBERS = ("share_of_gain", "effective_sample_size", "smallest_effective_sample_size", "truncation_rate")


def log_build(
    client: Client, run: str, config: PortfolioConfig, selection: Selection, artifacts: Iterable[Path]
) -> None:
    """Record a build and keep files with its run."""
    from mlflow.entities import Metric, Param

    metrics = {
        EPSILON: selection.epsilon,
        "epsilon_bound": selection.epsilon_bound,
        "additive_gap": selection.additive_gap,
        "policies_trained": len(selection.policies),
        PORTFOLIO_SIZE: len(selection.portfolio),
    }
    params = {
        "beta": config.beta,
        "design": config.design.strategy,
        "design_epsilon": config.design.epsilon,
        "design_delta": config.design.delta,
        "selection": selection.method,
        "delta": selection.delta,
        "backend": config.training.backend,
        "base_model": config.base_model.source,
    }
    client.log_batch(
        run,
        metrics=[Metric(key, float(value), 0, 0) for key, value in metrics.items()],
        params=[Param(key, str(value)) for key, value in params.items()],
    )
    for path in artifacts:
        client.log_artifact(run, str(path))


def log_policy(client: Client, run: str, measured: Measurements, log: TrainingLog, *, chosen: bool) -> None:
    """Record a policy, which is in the portfolio if chosen, and end its run; a second time adds nothing."""
    from mlflow.entities import Metric, Param

    values = {f"reward/{name}": mean.mean for name, mean in measured.rewards.items()}
    values |= {f"metric/{name}": mean.mean for name, mean in measured.metrics.items()}
    values |= {key: getattr(measured, key).mean for key in _MEANS}
    values |= {f"{key}_standard_error": getattr(measured, key).standard_error for key in ("objective", "gain")}
    values |= {key: value for key in _NUMBERS if (value := getattr(measured, key)) is not None}
    values["vendi_score"] = measured.diversity.vendi_score.mean
    metrics = [Metric(key, float(value), 0, 0) for key, value in values.items()]
    metrics += [
        Metric(f"train/{key}", float(step[key]), 0, int(step["step"]))
        for step in log.steps
        for key in ("loss", "reward", "kl")
        if key in step
    ]
    params = [
        Param(f"weight/{name}", f"{weight:.6f}")
        for name, weight in zip(measured.rewards, measured.weights, strict=True)
    ]
    for start in range(0, len(metrics), _BATCH):
        client.log_batch(run, metrics=metrics[start : start + _BATCH])
    client.log_batch(run, params=params)
    client.set_tag(run, "palm.in_portfolio", str(chosen).lower())
    client.set_terminated(run)
