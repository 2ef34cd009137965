"""The experiment in Kubeflow Pipelines that runs are kept in."""

from palm.cluster.kfp.connection import Connection, named

EXPERIMENT = "palm"
"""Its name, unless another is given."""


def ensure_experiment(connection: Connection, name: str) -> str:
    """Id of the experiment of a name, which is made if missing.

    Args:
        connection: Kubeflow Pipelines.
        name: of the experiment.

    Returns:
        Its id.

    Raises:
        ClusterError: a request fails.
    """
    return connection.found_or_made(
        lambda: find_experiment(connection, name),
        lambda client: client.create_experiment(name, namespace=connection.namespace).experiment_id,
    )


def find_experiment(connection: Connection, name: str) -> str | None:
    """Id of the experiment of a name.

    Args:
        connection: Kubeflow Pipelines.
        name: of the experiment.

    Returns:
        Its id; None if there is none.

    Raises:
        ClusterError: a request fails.
    """
    found = connection.listed(
        connection.client.list_experiments, "experiments", namespace=connection.namespace, filter=named(name)
    )
    return next((experiment.experiment_id for experiment in found), None)
