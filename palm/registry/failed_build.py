"""A build that failed, in MLflow: where people look for it later."""

from palm.config import PortfolioConfig
from palm.mlflow_connection import connected
from palm.registry.register import find_or_create_build_run
from palm.registry.tracking import ensure_experiment


def record_failed_build(config: PortfolioConfig, *, build_id: str, note: str) -> None:
    """Mark the run of a build as failed; make the run if the build did not come that far.

    Args:
        config: the configuration.
        build_id: names the build.
        note: what happened, Markdown; MLflow shows it as the run's description.

    Raises:
        RegistryError: MLflow fails.
    """
    from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

    with connected(config.registry) as client:
        experiment = ensure_experiment(client, config.registry)
        run = find_or_create_build_run(client, experiment, config.name, build_id)
        client.set_tag(run, MLFLOW_RUN_NOTE, note)
        client.set_terminated(run, status="FAILED")
