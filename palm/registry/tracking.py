"""What is asked of MLflow before anything is recorded: that it answers, and an experiment."""

from pathlib import Path

from palm.config import Registry
from palm.mlflow_connection import connected


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
