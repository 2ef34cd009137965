"""Metrics and parameters that are recorded in the runs of a build and of its policies."""

from pathlib import Path

from palm.config.portfolio import PortfolioConfig

_BATCH = 1000
"""Metrics that MLflow takes at once."""


def log_build(client, run: str, config: PortfolioConfig, selection: dict, artifacts: list[Path]) -> None:
    """Record a build.

    Args:
        client: an `MlflowClient`.
        run: id of the build's run.
        config: the configuration.
        selection: content of portfolio.json.
        artifacts: files to keep with it.
    """
    from mlflow.entities import Metric, Param

    metrics = {
        "epsilon": selection["epsilon"],
        "epsilon_bound": selection["epsilon_bound"],
        "additive_gap": selection["additive_gap"],
        "policies_trained": len(selection["policies"]),
        "portfolio_size": len(selection["portfolio"]),
    }
    params = {
        "beta": config.beta,
        "design": config.design.strategy,
        "design_epsilon": config.design.epsilon,
        "design_delta": config.design.delta,
        "selection": selection["method"],
        "delta": selection["delta"],
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


def log_policy(client, run: str, record: dict, chosen: bool, log: list[dict]) -> None:
    """Record a policy and end its run; a second time adds nothing.

    Args:
        client: an `MlflowClient`.
        run: id of the policy's run.
        record: its evaluation.
        chosen: whether it is in the portfolio.
        log: its training log.
    """
    from mlflow.entities import Metric, Param

    values = {f"reward/{name}": entry["mean"] for name, entry in record["rewards"].items()}
    values |= {f"metric/{name}": entry["mean"] for name, entry in record["metrics"].items()}
    means = ("objective", "objective_reference", "objective_optimum", "gain", "kl", "response_tokens")
    values |= {key: record[key]["mean"] for key in means}
    values |= {f"{key}_standard_error": record[key]["standard_error"] for key in ("objective", "gain")}
    values |= {
        key: record[key]
        for key in ("share_of_gain", "effective_sample_size", "smallest_effective_sample_size", "truncation_rate")
        if record[key] is not None
    }
    values["vendi_score"] = record["diversity"]["vendi_score"]["mean"]
    metrics = [Metric(key, float(value), 0, 0) for key, value in values.items()]
    for entry in log:
        metrics += [
            Metric(f"train/{key}", float(entry[key]), 0, int(entry["step"]))
            for key in ("loss", "reward", "kl")
            if key in entry
        ]
    params = [
        Param(f"weight/{name}", f"{weight:.6f}")
        for name, weight in zip(record["rewards"], record["weights"], strict=True)
    ]
    for start in range(0, len(metrics), _BATCH):
        client.log_batch(run, metrics=metrics[start : start + _BATCH])
    client.log_batch(run, params=params)
    client.set_tag(run, "palm.in_portfolio", str(chosen).lower())
    client.set_terminated(run)
