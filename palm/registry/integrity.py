"""Integrity of registered versions: all files are there, bit for bit."""

from pathlib import Path
from tempfile import TemporaryDirectory

from palm.registry.client import Client
from palm.registry.connection import connected
from palm.registry.version import existing_version
from palm.serving.verification import portfolio_folder, verify_portfolio


def check_servable(client: Client, model: str, version: str) -> None:
    """Download a version and check its digests."""
    existing_version(client, model, version)
    with TemporaryDirectory() as scratch:
        download_verified(client, model, version, Path(scratch))


def download_verified(client: Client, model: str, version: str, destination: Path) -> Path:
    """Download a version into a folder, check its digests, and return the portfolio folder in it."""
    import mlflow

    with connected(client.registry):
        mlflow.artifacts.download_artifacts(f"models:/{model}/{version}", dst_path=str(destination))
    folder = portfolio_folder(destination, f"{model} version {version}")
    verify_portfolio(folder)
    return folder
