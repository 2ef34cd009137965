"""Pipeline: a new portfolio when an input has changed; else one small task."""

from typing import Callable

from kfp import dsl

from palm.config.cluster import Cluster
from palm.pipelines.build import add_build
from palm.pipelines.run import make_run


def make_rebuild_on_change(cluster: Cluster) -> Callable:
    """The pipeline for a schedule: it builds only if the inputs are not those of the last build."""

    # A pipeline of its own: a condition on an output of a task with several outputs is always false in local runs,
    # while a condition on an input is not.
    @dsl.pipeline(name="build-if-changed", description="Builds if an input has changed.")
    def build_if_changed(changed: bool, config: str, snapshot: str):
        with dsl.If(changed == True, name="changed"):  # noqa: E712  KFP compiles the comparison.
            add_build(cluster, config=config, snapshot=snapshot)

    def work(found: dsl.PipelineTask) -> None:
        given = {key: found.outputs[key] for key in ("changed", "config", "snapshot")}
        build_if_changed(**given).set_display_name("Build if changed")

    description = "Builds and promotes a portfolio when an input has changed."
    return make_run("rebuild-on-change", description, cluster, work, only_if_changed=True)
