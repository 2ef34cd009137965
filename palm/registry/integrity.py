"""Integrity of registered versions: all files are there, bit for bit."""

from pathlib import Path
from tempfile import TemporaryDirectory

from palm.artifacts.routing import Routing
from palm.errors import ModelError
from palm.registry.client import Client
from palm.registry.connection import connected
from palm.registry.version import existing_version
from palm.serving.verification import verify_portfolio


def check_servable(client: Client, model: str, version: str) -> None:
    """Download a version and check its digests.

    Raises:
        RegistryError: there is no such version.
        ModelError: a file is missing or was changed.
    """
    existing_version(client, model, version)
    with TemporaryDirectory() as scratch:
        download_verified(client, model, version, Path(scratch))


def download_verified(client: Client, model: str, version: str, destination: Path) -> Path:
    """Download a version and check its digests.

    Args:
        client: client of MLflow.
        model: registered model.
        version: its version.
        destination: folder to fill.

    Returns:
        The portfolio folder in it.

    Raises:
        RegistryError: MLflow fails.
        ModelError: a file is missing or was changed.
    """
    import mlflow

    with connected(client.registry):
        mlflow.artifacts.download_artifacts(f"models:/{model}/{version}", dst_path=str(destination))
    found = next(destination.rglob(Routing.FILE), None)
    if found is None:
        raise ModelError(
            f"{model} version {version}",
            rule=f"has no {Routing.FILE}",
            remedy="choose a version that palm has registered",
        )
    verify_portfolio(found.parent)
    return found.parent
