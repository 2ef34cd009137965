"""One model version per content, one parent run, one child run per policy."""

from pathlib import Path

from palm.config.portfolio import PortfolioConfig
from palm.registry.connection import connected
from palm.registry.content import CONTENT, content_digest
from palm.registry.experiment import ensure_experiment
from palm.registry.kfp_plugin_run import plugin_note, plugin_tags, tell_plugin
from palm.registry.retry import again
from palm.registry.run_records import log_build, log_policy
from palm.registry.runs import POLICY, build_tag, find_or_create_run, keep_one_of_each, lineage_tags
from palm.registry.version import find_version, make_version
from palm.serving.verification import ROUTING
from palm.storage.files import read_json

CHALLENGER, CHAMPION = "challenger", "champion"
SNAPSHOT_FILE = "snapshot.json"
"""Artifact of a build's run: what the build was made from."""


def register(
    config: PortfolioConfig,
    *,
    build_id: str,
    portfolio: Path,
    selection: dict,
    logs: dict[str, list[dict]],
    artifacts: list[Path],
) -> dict:
    """Record a build in MLflow and register its portfolio under the alias `challenger`; its run stays open.

    A second call with the same content finds what the first one made, or goes on where it was killed, whichever build
    calls; so do calls at the same time.

    Args:
        config: the configuration.
        build_id: names the build.
        portfolio: portfolio folder (`palm.serving.portfolio`).
        selection: content of portfolio.json, with every policy's evaluation.
        logs: policy name to its training log.
        artifacts: files to keep with the parent run.

    Returns:
        ``model``, ``version``, ``run_id``, ``aliases``.

    Raises:
        RegistryError: MLflow fails.
    """
    model = config.registry.model
    content = content_digest(read_json(portfolio / ROUTING), artifacts)
    with connected(config.registry) as client:
        experiment = ensure_experiment(client, config.registry)
        version = find_version(client, model, content)
        if version is None:
            # Whatever was done is found by a second attempt.
            version = again(_make, client, config, experiment, content, build_id, portfolio, selection, logs, artifacts)
        again(keep_one_of_each, client, experiment, content, version.run_id)
        again(_leave_build, client, model, version, build_id)
        again(client.set_registered_model_alias, model, CHALLENGER, version.version)
    number = str(version.version)
    tell_plugin(config.registry, experiment=experiment, run=version.run_id, build_id=build_id, version=number)
    return {"model": model, "version": number, "run_id": version.run_id, "aliases": [CHALLENGER]}


def finish_build(config: PortfolioConfig, *, run_id: str, files: list[Path]) -> None:
    """Keep the last files of a build with its run, and end the run.

    Args:
        config: the configuration.
        run_id: the run that `register` has named.
        files: the report and its data.

    Raises:
        RegistryError: MLflow fails.
    """
    with connected(config.registry) as client:
        for path in files:
            client.log_artifact(run_id, str(path))
        client.set_terminated(run_id)


def _make(client, config, experiment, content, build_id, portfolio, selection, logs, artifacts):
    from mlflow.exceptions import MlflowException

    try:
        run = find_or_create_run(
            client, experiment, f"{config.name} {build_id}", {CONTENT: content}, lineage_tags(build_id)
        )
        log_build(client, run, config, selection, artifacts)
        for record in selection["policies"]:
            chosen = record["policy"] in selection["portfolio"]
            child = _policy_run(client, experiment, run, content, build_id, record["policy"])
            log_policy(client, child, record, chosen, logs[record["policy"]])
        return make_version(
            client, config, run=run, content=content, build_id=build_id, portfolio=portfolio, selection=selection
        )
    except MlflowException:
        # Whoever makes the same at the same time and is first deletes the runs that this one was filling.
        first = find_version(client, config.registry.model, content)
        if first is None:
            raise
        return first


def _policy_run(client, experiment: str, parent: str, content: str, build_id: str, policy: str) -> str:
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    tags = {CONTENT: content, POLICY: policy, MLFLOW_PARENT_RUN_ID: parent}
    return find_or_create_run(client, experiment, policy, tags, lineage_tags(build_id))


def _leave_build(client, model: str, version, build_id: str) -> None:
    """Note the build on the version and its run; a run that a failed build has ended goes on."""
    from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

    client.set_model_version_tag(model, version.version, build_tag(build_id), "true")
    tags = {build_tag(build_id): "true", **plugin_tags()}
    if note := plugin_note():
        tags[MLFLOW_RUN_NOTE] = note
    for key, value in tags.items():
        client.set_tag(version.run_id, key, value)
    if client.get_run(version.run_id).info.status not in ("RUNNING", "FINISHED"):
        client.update_run(version.run_id, status="RUNNING")
