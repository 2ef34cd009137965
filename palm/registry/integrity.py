"""Whether a registered version can be served: all of it is there, bit for bit."""

from pathlib import Path
from tempfile import TemporaryDirectory

from palm.errors import ModelError, RegistryError
from palm.serving.verification import ROUTING, verify_portfolio


def check_servable(client, model: str, version: str) -> None:
    """Download a version and check its digests.

    Args:
        client: an `MlflowClient`.
        model: registered model of the portfolio.
        version: its version.

    Raises:
        RegistryError: there is no such version.
        ModelError: a file is missing or was changed.
    """
    existing_version(client, model, version)
    with TemporaryDirectory() as scratch:
        download_verified(model, version, Path(scratch))


def download_verified(model: str, version: str, destination: Path) -> Path:
    """Download a version from the MLflow that is connected and check its digests.

    Args:
        model: registered model of the portfolio.
        version: its version.
        destination: folder to fill.

    Returns:
        The portfolio folder in it.

    Raises:
        ModelError: a file is missing or was changed.
    """
    import mlflow

    mlflow.artifacts.download_artifacts(f"models:/{model}/{version}", dst_path=str(destination))
    found = next(destination.rglob(ROUTING), None)
    if found is None:
        raise ModelError(
            f"{model} version {version}",
            rule=f"holds no {ROUTING}",
            remedy="choose a version that palm has registered",
        )
    verify_portfolio(found.parent)
    return found.parent


def existing_version(client, model: str, version: str):
    """Find a version.

    Args:
        client: an `MlflowClient`.
        model: registered model of the portfolio.
        version: its version.

    Returns:
        MLflow's entity.

    Raises:
        RegistryError: there is none.
    """
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version(model, version)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise RegistryError(
            f"{model} version {version}", rule="does not exist", remedy="see `palm history CONFIG` and the MLflow UI"
        ) from error
