"""The model version of a portfolio: one for one content."""

from importlib.metadata import version
from pathlib import Path

from palm import __version__
from palm.config.portfolio import PortfolioConfig
from palm.registry.content import CONTENT
from palm.registry.retry import again
from palm.registry.runs import lineage_tags

_REQUIREMENTS = ("boto3", "mlflow", "numpy", "pandas", "peft", "torch", "transformers")
"""What decides an answer. Not palm itself: no public index has it, its name there is another project's, and MLflow
installs requirements unasked. Models are served where palm is installed; the model's metadata tell which version."""


def find_version(client, model: str, content: str):
    """The version of a content: of several that were made at once, the first one.

    Args:
        client: an `MlflowClient`.
        model: registered model of the portfolio.
        content: digest of the content.

    Returns:
        MLflow's entity; None if there is none.
    """
    found = client.search_model_versions(f"name = '{model}' and tags.`{CONTENT}` = '{content}'")
    return min(found, key=lambda entry: int(entry.version), default=None)


def make_version(client, config: PortfolioConfig, *, run: str, content: str, build_id: str, portfolio: Path, selection):
    """Log the portfolio and register it, unless somebody has made the same at the same time and was first.

    Args:
        client: an `MlflowClient`.
        config: the configuration.
        run: the build's run.
        content: digest of the content.
        build_id: names the build.
        portfolio: portfolio folder.
        selection: content of portfolio.json.

    Returns:
        MLflow's entity of the version that there is now; its run may be another one.
    """
    logged = _log_model(client, run, portfolio)
    model = config.registry.model
    _ensure_model(client, model)
    created = again(
        client.create_model_version,
        model,
        await_creation_for=0,
        source=logged.model_uri,
        run_id=run,
        model_id=logged.model_id,
        tags={
            **lineage_tags(build_id),
            CONTENT: content,
            "palm.epsilon": f"{selection['epsilon']:.6f}",
            "palm.delta": str(selection["delta"]),
        },
        description=_description(client, config, run, selection),
    )
    first = find_version(client, model, content)
    # Numbers are given one after the other, so everybody sees the same first one.
    if int(first.version) != int(created.version):
        client.delete_model_version(model, str(created.version))
        client.delete_logged_model(logged.model_id)
    return first


def _ensure_model(client, model: str) -> None:
    from mlflow.exceptions import MlflowException

    if client.search_registered_models(f"name = '{model}'"):
        return
    try:
        client.create_registered_model(
            model, description="Portfolios of aligned policies; one version is one portfolio."
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _description(client, config: PortfolioConfig, run: str, selection: dict) -> str:
    experiment = client.get_run(run).info.experiment_id
    return (
        f"{len(selection['portfolio'])} policies for {', '.join(config.reward_names)}; "
        f"certified worst-case gap ε = {selection['epsilon']:.4f} (δ = {selection['delta']}). "
        f"[The build](#/experiments/{experiment}/runs/{run}) holds the report, the certificate and every policy's run."
    )


def _log_model(client, run: str, portfolio: Path):
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
        logged = mlflow.pyfunc.log_model(
            name="portfolio",
            python_model=str(Path(__file__).with_name("portfolio_model.py")),
            artifacts={"portfolio": str(portfolio)},
            signature=signature,
            metadata={"palm": __version__},
            pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in _REQUIREMENTS],
        )
    # The end of the block has ended the run, but the build still goes on.
    client.update_run(run, status="RUNNING")
    return logged
