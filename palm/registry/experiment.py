"""Conditions of work with MLflow: the database exists, the server answers, there is an experiment."""

from pathlib import Path

from palm.config.portfolio import Registry
from palm.errors import RegistryError
from palm.registry.client import Client


def check_exists(registry: Registry) -> None:
    """Refuse an SQLite file that does not exist: MLflow would make an empty one."""
    file = registry.tracking_uri.removeprefix("sqlite:///")
    if file != registry.tracking_uri and not Path(file).exists():
        raise RegistryError(
            f"registry.tracking_uri={registry.tracking_uri}",
            rule="does not exist, so it is unknown what is registered",
            remedy="correct the path",
        )


def check_reachable(registry: Registry) -> None:
    """Make one request, which also initialises a new SQLite file while nobody else uses it."""
    Client(registry).search_experiments(max_results=1)


def ensure_experiment(client: Client) -> str:
    """Id of the experiment, which is made if missing; with SQLite its artifacts are beside the database."""
    registry = client.registry
    found = client.get_experiment_by_name(registry.experiment)
    if found is not None:
        return found.experiment_id
    location = None
    if registry.tracking_uri.startswith("sqlite:///"):
        location = (Path(registry.tracking_uri.removeprefix("sqlite:///")).parent / "mlartifacts").as_uri()
    try:
        return client.create_experiment(registry.experiment, artifact_location=location)
    except RegistryError:
        # Another process may have made it since.
        found = client.get_experiment_by_name(registry.experiment)
        if found is None:
            raise
        return found.experiment_id
