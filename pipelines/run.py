"""Frame of every run: detection first, the recorded outcome last, even if a task between them fails."""

from typing import Callable

from kfp import dsl

from palm.components.detect_change.component import detect_change
from palm.components.record_outcome.component import record_outcome
from palm.config.cluster import Cluster
from palm.pipelines.task_setup import small


def make_run(
    name: str, description: str, cluster: Cluster, work: Callable[[dsl.PipelineTask], None], *, only_if_changed: bool
) -> Callable:
    """The pipeline of a run.

    Args:
        work: adds the tasks between detection and outcome, given the task detect_change.
        only_if_changed: whether that work is done only if an input has changed.
    """

    @dsl.pipeline(name=name, description=description)
    def run(config: str, storage_root: str = "", tracking_uri: str = ""):
        """Do the work of a run.

        Args:
            config: The configuration: JSON or YAML text, or the s3:// address of such a file.
            storage_root: Replaces the configuration's storage.root unless empty.
            tracking_uri: Replaces the configuration's registry.tracking_uri unless empty.
        """
        source = {"config": config, "storage_root": storage_root, "tracking_uri": tracking_uri}
        outcome = record_outcome(**source, only_if_changed=only_if_changed)
        small(outcome, "Record outcome", cluster)
        with dsl.ExitHandler(outcome, name="portfolio"):
            found = detect_change(**source)
            small(found, "Detect change", cluster)
            work(found)

    return run
