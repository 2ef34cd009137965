"""A build that failed, in MLflow: where people look for it later."""

from palm.config.portfolio import PortfolioConfig
from palm.registry.connection import connected
from palm.registry.experiment import ensure_experiment
from palm.registry.kfp_plugin_run import tell_plugin
from palm.registry.runs import MADE_BY, POLICY, build_tag, find_or_create_run, find_runs, lineage_tags


def record_failed_build(config: PortfolioConfig, *, build_id: str, note: str, abandoned: bool = False) -> None:
    """Mark the run of a build as failed; make one if the build did not come that far, or came to a finished one.

    Args:
        config: the configuration.
        build_id: names the build.
        note: what happened, Markdown; MLflow shows it as the run's description.
        abandoned: whether another run of the pipeline than this one made the build.

    Raises:
        RegistryError: MLflow fails.
    """
    from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

    with connected(config.registry) as client:
        experiment = ensure_experiment(client, config.registry)
        lineage = {build_tag(build_id): "true"} if abandoned else lineage_tags(build_id)
        run = _run_of(client, experiment, f"{config.name} {build_id}", build_id, lineage)
        client.set_tag(run, MLFLOW_RUN_NOTE, note)
        client.set_terminated(run, status="FAILED")
    if not abandoned:
        tell_plugin(config.registry, experiment=experiment, run=run, build_id=build_id)


def _run_of(client, experiment: str, name: str, build_id: str, lineage: dict[str, str]) -> str:
    for run in find_runs(client, experiment, {build_tag(build_id): "true"}):
        # An earlier build of the same content may have come to its end in this run.
        if POLICY not in run.data.tags and run.info.status != "FINISHED":
            return run.info.run_id
    tags = {MADE_BY: build_id, "palm.failed": "true"}
    return find_or_create_run(client, experiment, name, tags, lineage)
