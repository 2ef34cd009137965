"""Runs of a build in MLflow: one parent of a content, one child a policy, however often and by how many it is tried."""

import os

from palm.registry.content import CONTENT
from palm.registry.kfp_plugin_run import plugin_tags

POLICY = "palm.policy"
"""Tag of a policy's run: the policy's name."""
MADE_BY = "palm.build_id"
"""Tag of a version and of its run: the build that made it."""
_BUILD = "palm.build."
_KFP_RUN_VARIABLE, _KFP_RUN = "KFP_RUN_ID", "palm.kfp_run"


def build_tag(build_id: str) -> str:
    """Key of the tag that a build leaves on the version and the run that it came to.

    One tag a build, as two builds that add to one list would lose one of them.
    """
    return f"{_BUILD}{build_id}"


def builds_of(tags: dict[str, str]) -> list[str]:
    """The builds that came to a version.

    Args:
        tags: of the version, or of its run.

    Returns:
        Names of builds, sorted.
    """
    return sorted(key.removeprefix(_BUILD) for key in tags if key.startswith(_BUILD))


def lineage_tags(build_id: str) -> dict[str, str]:
    """Tags that tell which build, and which run of Kubeflow Pipelines, a run belongs to.

    Args:
        build_id: names the build.

    Returns:
        Key to value.
    """
    run = os.environ.get(_KFP_RUN_VARIABLE)
    return {MADE_BY: build_id, build_tag(build_id): "true", **({_KFP_RUN: run} if run else {}), **plugin_tags()}


def find_or_create_run(client, experiment: str, name: str, tags: dict[str, str], more: dict[str, str]) -> str:
    """Find a run by its tags, or make it.

    Args:
        client: an `MlflowClient`.
        experiment: id of the experiment.
        name: name of a new run.
        tags: which run is meant.
        more: further tags of a new run.

    Returns:
        The run's id.
    """
    found = find_runs(client, experiment, tags)
    parents = found if POLICY in tags else [run for run in found if POLICY not in run.data.tags]
    if parents:
        return parents[0].info.run_id
    return client.create_run(experiment, run_name=name, tags={**tags, **more}).info.run_id


def find_runs(client, experiment: str, tags: dict[str, str]) -> list:
    """All runs that have some tags.

    Args:
        client: an `MlflowClient`.
        experiment: id of the experiment.
        tags: key to value.

    Returns:
        MLflow's entities, in an order that all see alike.
    """
    query = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    found, token = [], None
    while True:
        page = client.search_runs([experiment], query, max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))


def keep_one_of_each(client, experiment: str, content: str, parent: str) -> None:
    """Delete the runs of a content that others left when they made the same at the same time, or were killed.

    Args:
        client: an `MlflowClient`.
        experiment: id of the experiment.
        content: digest of the content.
        parent: run of its version.
    """
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    kept = set()
    for run in find_runs(client, experiment, {CONTENT: content}):
        policy = run.data.tags.get(POLICY)
        ours = run.info.run_id == parent if policy is None else run.data.tags.get(MLFLOW_PARENT_RUN_ID) == parent
        if ours and policy not in kept:
            kept.add(policy)
        else:
            _delete(client, run.info.run_id)


def _delete(client, run: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.delete_run(run)
    except MlflowException as error:
        # Another process deletes the same ones.
        if client.get_run(run).info.lifecycle_stage != "deleted":
            raise error
