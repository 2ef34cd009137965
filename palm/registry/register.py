"""One model version per portfolio, one parent run per build, one child run per policy."""

from importlib.metadata import version
from pathlib import Path

from palm.config import PortfolioConfig
from palm.mlflow_connection import connected
from palm.registry.tracking import ensure_experiment

CHALLENGER, CHAMPION = "challenger", "champion"
SNAPSHOT_FILE = "snapshot.json"
"""Artifact of a build's run: what the build was made from."""
_BUILD, _POLICY = "palm.build_id", "palm.policy"


def register(
    config: PortfolioConfig,
    *,
    build_id: str,
    portfolio: Path,
    selection: dict,
    logs: dict[str, list[dict]],
    artifacts: list[Path],
) -> dict:
    """Record a build in MLflow and register its portfolio under the alias `challenger`.

    Args:
        config: the configuration.
        build_id: names the build; a second call with the same one finds what the first made.
        portfolio: portfolio folder (`palm.serving.portfolio`).
        selection: content of portfolio.json, with every policy's evaluation.
        logs: policy name to its training log.
        artifacts: files to keep with the parent run.

    Returns:
        ``model``, ``version``, ``run_id``, ``aliases``.

    Raises:
        RegistryError: MLflow fails.
    """
    with connected(config.registry) as client:
        experiment = ensure_experiment(client, config.registry)
        parent = find_or_create_build_run(client, experiment, config.name, build_id)
        _log_build(client, parent, config, selection, artifacts)
        for record in selection["policies"]:
            _log_policy(
                client,
                experiment,
                parent,
                build_id,
                record,
                record["policy"] in selection["portfolio"],
                logs[record["policy"]],
            )
        number = _find_version(client, config.registry.model, build_id)
        if number is None:
            number = _log_version(client, config, parent, build_id, portfolio, selection)
        client.set_registered_model_alias(config.registry.model, CHALLENGER, number)
    return {"model": config.registry.model, "version": str(number), "run_id": parent, "aliases": [CHALLENGER]}


def finish_build(config: PortfolioConfig, *, run_id: str, files: list[Path]) -> None:
    """End a build's run with its report."""
    with connected(config.registry) as client:
        for path in files:
            client.log_artifact(run_id, str(path))
        client.set_terminated(run_id)


def find_or_create_build_run(client, experiment: str, name: str, build_id: str) -> str:
    """The run of a build, which the runs of its policies have as their parent.

    Args:
        client: an `MlflowClient`.
        experiment: id of the experiment.
        name: name of the portfolio.
        build_id: names the build.

    Returns:
        The run's id.
    """
    return _find_or_create_run(client, experiment, f"{name} {build_id}", {_BUILD: build_id})


def _find_or_create_run(client, experiment: str, name: str, tags: dict[str, str]) -> str:
    # A retried task must find the run of its first attempt instead of making a twin.
    query = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    found = [run for run in client.search_runs([experiment], query) if _POLICY in tags or _POLICY not in run.data.tags]
    if found:
        return found[0].info.run_id
    return client.create_run(experiment, run_name=name, tags=tags).info.run_id


def _log_build(client, run: str, config: PortfolioConfig, selection: dict, artifacts: list[Path]) -> None:
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


def _log_policy(
    client, experiment: str, parent: str, build_id: str, record: dict, chosen: bool, log: list[dict]
) -> None:
    from mlflow.entities import Metric, Param
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    tags = {_BUILD: build_id, _POLICY: record["policy"], MLFLOW_PARENT_RUN_ID: parent}
    run = _find_or_create_run(client, experiment, record["policy"], tags)
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
    for start in range(0, len(metrics), 1000):
        client.log_batch(run, metrics=metrics[start : start + 1000])
    client.log_batch(run, params=params)
    client.set_tag(run, "palm.in_portfolio", str(chosen).lower())
    client.set_terminated(run)


def _find_version(client, model: str, build_id: str) -> str | None:
    found = client.search_model_versions(f"name = '{model}'")
    return next((entry.version for entry in found if entry.tags.get(_BUILD) == build_id), None)


def _log_version(client, config: PortfolioConfig, run: str, build_id: str, portfolio: Path, selection: dict) -> str:
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array

    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.string, "prompt"), ColSpec(Array(DataType.double), "weights")]),
        outputs=Schema([ColSpec(DataType.string, "policy"), ColSpec(DataType.string, "response")]),
        params=ParamSchema(
            [
                ParamSpec("seed", DataType.long, 0),
                ParamSpec("temperature", DataType.double, 1.0),
                ParamSpec("max_new_tokens", DataType.long, 0),
            ]
        ),
    )
    with mlflow.start_run(run_id=run):
        info = mlflow.pyfunc.log_model(
            name="portfolio",
            python_model=str(Path(__file__).with_name("portfolio_model.py")),
            artifacts={"portfolio": str(portfolio)},
            signature=signature,
            pip_requirements=[
                f"{name}=={version(name).partition('+')[0]}"
                for name in ("palm", "torch", "transformers", "peft", "mlflow")
            ],
        )
    if not client.search_registered_models(f"name = '{config.registry.model}'"):
        client.create_registered_model(
            config.registry.model, description="Portfolios of aligned policies; one version is one portfolio."
        )
    tags = {_BUILD: build_id, "palm.epsilon": f"{selection['epsilon']:.6f}", "palm.delta": str(selection["delta"])}
    return client.create_model_version(
        config.registry.model, source=info.model_uri, run_id=run, tags=tags, model_id=info.model_id
    ).version
