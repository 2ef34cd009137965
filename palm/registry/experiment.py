"""What is asked of MLflow before anything is read or recorded: that it is there, that it answers, and an experiment."""

from pathlib import Path

from palm.config.portfolio import Registry
from palm.errors import RegistryError
from palm.registry.connection import connected


def check_exists(registry: Registry) -> None:
    """Refuse an SQLite file that does not exist: MLflow would make a new one, in which nothing is registered.

    Args:
        registry: where MLflow is.

    Raises:
        RegistryError: there is no such file.
    """
    file = registry.tracking_uri.removeprefix("sqlite:///")
    if file != registry.tracking_uri and not Path(file).exists():
        raise RegistryError(
            f"registry.tracking_uri={registry.tracking_uri}",
            rule="does not exist, so nobody knows what is registered",
            remedy="correct the path",
        )


def check_reachable(registry: Registry) -> None:
    """Make one request, which also initialises a new SQLite file while nobody else uses it.

    Args:
        registry: where MLflow is.

    Raises:
        RegistryError: it cannot be reached.
    """
    with connected(registry) as client:
        client.search_experiments(max_results=1)


def ensure_experiment(client, registry: Registry) -> str:
    """Find or make the experiment; with SQLite its artifacts go beside the database.

    Args:
        client: an `MlflowClient`.
        registry: its name.

    Returns:
        The experiment's id.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(registry.experiment)
    if found is not None:
        return found.experiment_id
    location = None
    if registry.tracking_uri.startswith("sqlite:///"):
        location = (Path(registry.tracking_uri.removeprefix("sqlite:///")).parent / "mlartifacts").as_uri()
    try:
        return client.create_experiment(registry.experiment, artifact_location=location)
    except MlflowException:
        # Somebody else may have made it since.
        found = client.get_experiment_by_name(registry.experiment)
        if found is None:
            raise
        return found.experiment_id
