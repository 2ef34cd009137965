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


def check_usable(registry: Registry) -> None:
    """Refuse an MLflow that cannot be reached, or whose experiment was deleted; a new SQLite file is initialised."""
    _find_experiment(Client(registry))


def ensure_experiment(client: Client) -> str:
    """Id of the experiment, which is made if missing; with SQLite its artifacts are beside the database."""
    registry = client.registry
    found = _find_experiment(client)
    if found is not None:
        return found.experiment_id
    location = None
    if registry.tracking_uri.startswith("sqlite:///"):
        location = (Path(registry.tracking_uri.removeprefix("sqlite:///")).parent / "mlartifacts").as_uri()
    try:
        return client.create_experiment(registry.experiment, artifact_location=location)
    except RegistryError:
        # Another process may have made it since.
        found = _find_experiment(client)
        if found is None:
            raise
        return found.experiment_id


def _find_experiment(client: Client):
    """MLflow's record of the experiment; None if there is none. MLflow keeps a deleted one, and its name with it."""
    name = client.registry.experiment
    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == "deleted":
        raise RegistryError(
            f"registry.experiment={name}",
            rule="was deleted in MLflow, which accepts no runs in it and no other experiment of its name",
            remedy=f"name another one, or `mlflow experiments restore --experiment-id {found.experiment_id}`",
        )
    return found
