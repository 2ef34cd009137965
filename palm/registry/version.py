"""Versions of the registered model of a portfolio: one for each content."""

from importlib.metadata import version as installed
from pathlib import Path
from tempfile import TemporaryDirectory

from palm import __version__
from palm.artifacts.selection import Selection
from palm.config.portfolio import PortfolioConfig
from palm.errors import RegistryError
from palm.registry.client import Client, error_code
from palm.registry.connection import connected
from palm.registry.content import CONTENT, POLICIES, Build, policies_digest
from palm.registry.manifest import MANIFEST_TAG, remove_bytecode, write_manifest
from palm.registry.retry import retry_on_conflict
from palm.registry.runs import lineage_tags

CHALLENGER, CHAMPION = "challenger", "champion"
"""Aliases: of the version that was registered last, and of the version that is served."""
_MODEL = "portfolio"
"""Name of MLflow's model below a version."""
_REQUIREMENTS = ("boto3", "mlflow", "numpy", "pandas", "peft", "torch", "transformers")
"""Packages that decide an answer. Not palm itself, which MLflow would install from a public index."""


def find_version(client: Client, content: str):
    """MLflow's record of the version of a content, of several concurrent ones the first; None if there is none."""
    found = client.search_model_versions(f"name = '{client.registry.model}' and tags.`{CONTENT}` = '{content}'")
    return min(found, key=lambda entry: int(entry.version), default=None)


def lookup_version(client: Client, model: str, version: str):
    """MLflow's record of a version; None if it does not exist or was deleted."""
    try:
        return client.get_model_version(model, version)
    except RegistryError as error:
        if error_code(error) not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return None


def existing_version(client: Client, model: str, version: str):
    """MLflow's record of a version; RegistryError if there is no such version."""
    found = lookup_version(client, model, version)
    if found is None:
        raise RegistryError(
            f"{model} version {version}", rule="does not exist", remedy="see `palm history CONFIG` and the MLflow UI"
        )
    return found


def version_with_alias(client: Client, model: str, alias: str) -> str | None:
    """Number of the version that has an alias; None if there is none. The model need not exist."""
    found = client.search_registered_models(f"name = '{model}'")
    version = found[0].aliases.get(alias) if found else None
    return None if version is None else str(version)


def make_version(client: Client, config: PortfolioConfig, build: Build, run: str):
    """Log a portfolio under a run and register it, unless another build of the same content was first.

    Returns:
        MLflow's record of the first version of this content; its run may be another one.
    """
    logged, manifest = _log_model(client, run, build.portfolio)
    model = client.registry.model
    if not client.search_registered_models(f"name = '{model}'"):
        create_model(client, model, "Portfolios of aligned policies; one version is one portfolio.")
    created = retry_on_conflict(
        client.create_model_version,
        model,
        await_creation_for=0,
        source=logged.model_uri,
        run_id=run,
        model_id=logged.model_id,
        tags={
            **lineage_tags(build.build_id),
            CONTENT: build.content,
            MANIFEST_TAG: manifest,
            POLICIES: policies_digest(build.selection.portfolio),
            "palm.epsilon": f"{build.selection.epsilon:.6f}",
            "palm.delta": str(build.selection.delta),
        },
        description=_description(client, config, run, build.selection),
    )
    first = find_version(client, build.content)
    # Numbers are given in turn, so all builds agree on the first one.
    if int(first.version) != int(created.version):
        client.delete_model_version(model, str(created.version))
        client.delete_logged_model(logged.model_id)
    return first


def create_model(client: Client, model: str, description: str) -> None:
    """Make a registered model, unless another process has just made it."""
    try:
        client.create_registered_model(model, description=description)
    except RegistryError as error:
        if error_code(error) != "RESOURCE_ALREADY_EXISTS":
            raise


def _description(client: Client, config: PortfolioConfig, run: str, selection: Selection) -> str:
    experiment = client.get_run(run).info.experiment_id
    return (
        f"{len(selection.portfolio)} policies for {', '.join(config.reward_names)}; "
        f"certified worst-case gap ε = {selection.epsilon:.4f} (δ = {selection.delta}). "
        f"[The build](#/experiments/{experiment}/runs/{run}) holds the report, the certificate and every policy's run."
    )


def _log_model(client: Client, run: str, portfolio: Path):
    """Upload a portfolio as an MLflow model of a run.

    Returns:
        MLflow's record of the model, and the digest of its manifest, taken before the upload.
    """
    from mlflow.entities import LoggedModelOutput

    started = client.get_run(run)
    logged = client.create_logged_model(
        started.info.experiment_id, name=_MODEL, source_run_id=run, params=started.data.params
    )
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / _MODEL
        with connected(client.registry):
            _save_model(folder, logged, run, portfolio)
        manifest = write_manifest(folder)
        client.log_model_artifacts(logged.model_id, str(folder))
    client.log_outputs(run, [LoggedModelOutput(logged.model_id, 0)])
    return client.finalize_logged_model(logged.model_id, "READY"), manifest


def _save_model(folder: Path, logged, run: str, portfolio: Path) -> None:
    import mlflow
    from mlflow.models import Model, ModelSignature
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
    mlflow.pyfunc.save_model(
        str(folder),
        python_model=str(Path(__file__).with_name("portfolio_model.py")),
        artifacts={"portfolio": str(portfolio)},
        signature=signature,
        pip_requirements=[f"{name}=={installed(name).partition('+')[0]}" for name in _REQUIREMENTS],
        mlflow_model=Model(
            artifact_path=logged.artifact_location,
            run_id=run,
            model_uuid=logged.model_id,
            model_id=logged.model_id,
            metadata={"palm": __version__},
        ),
    )
    # MLflow loads the code once, to check it.
    remove_bytecode(folder)
