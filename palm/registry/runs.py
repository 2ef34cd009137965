"""Runs of builds in MLflow: one parent run of a content and one child run of each policy, however often it is tried."""

import os

from palm.errors import RegistryError
from palm.registry.client import Client, all_pages
from palm.registry.content import CONTENT
from palm.registry.experiment import ensure_experiment
from palm.registry.kfp_plugin import plugin_tags

POLICY = "palm.policy"
"""Tag of a policy's run: the policy's name."""
MADE_BY = "palm.build_id"
"""Tag of a version and of its run: the build that made it."""
SNAPSHOT_FILE = "snapshot.json"
"""Artifact of a build's run: what the build was made from."""
_BUILD = "palm.build."
_KFP_RUN_VARIABLE, _KFP_RUN = "KFP_RUN_ID", "palm.kfp_run"


def build_tag(build_id: str) -> str:
    """Key of the tag that names a build on its version and its run.

    Each build has a tag of its own: of two builds that extend one list at once, one would be lost.
    """
    return f"{_BUILD}{build_id}"


def builds_of(tags: dict[str, str]) -> list[str]:
    """Names of the builds in the tags of a version or of its run, sorted."""
    return sorted(key.removeprefix(_BUILD) for key in tags if key.startswith(_BUILD))


def lineage_tags(build_id: str) -> dict[str, str]:
    """Tags of a new run or version: the build, the run of Kubeflow Pipelines, and the run of its MLflow plugin."""
    run = os.environ.get(_KFP_RUN_VARIABLE)
    return {MADE_BY: build_id, build_tag(build_id): "true", **({_KFP_RUN: run} if run else {}), **plugin_tags()}


class Runs:
    """Runs of one experiment, which is made if missing."""

    def __init__(self, client: Client):
        self._client = client
        self.experiment = ensure_experiment(client)
        """Id of the experiment."""

    def find(self, tags: dict[str, str]) -> list:
        """MLflow's records of all runs with these tags, in an order that is the same for everybody."""
        query = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        found = all_pages(self._client.search_runs, [self.experiment], query, max_results=1000)
        return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))

    def find_or_create(self, name: str, tags: dict[str, str], more: dict[str, str]) -> str:
        """Id of the run with these tags; a new run also gets the name and the other tags."""
        found = self.find(tags)
        parents = found if POLICY in tags else [run for run in found if POLICY not in run.data.tags]
        if parents:
            return parents[0].info.run_id
        return self._client.create_run(self.experiment, run_name=name, tags={**tags, **more}).info.run_id

    def keep_one_of_each(self, content: str, parent: str) -> None:
        """Delete the runs of a content that concurrent or killed builds have left.

        The run of its version (`parent`) stays, with one run of each policy.
        """
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        kept = set()
        for run in self.find({CONTENT: content}):
            policy = run.data.tags.get(POLICY)
            ours = run.info.run_id == parent if policy is None else run.data.tags.get(MLFLOW_PARENT_RUN_ID) == parent
            if ours and policy not in kept:
                kept.add(policy)
            else:
                self._delete(run.info.run_id)

    def _delete(self, run: str) -> None:
        try:
            self._client.delete_run(run)
        except RegistryError:
            # Another process deletes the same ones.
            if self._client.get_run(run).info.lifecycle_stage != "deleted":
                raise
