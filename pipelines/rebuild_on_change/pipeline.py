"""Pipeline: a new portfolio when an input has changed; else one small task."""

from typing import Callable

from kfp import dsl

from palm.pipelines.build import add_build
from palm.pipelines.run import make_run
from palm.pipelines.settings import CompileSettings


def make_rebuild_on_change(settings: CompileSettings) -> Callable:
    """The pipeline for a schedule: it builds only if the inputs are not those of the last build.

    Args:
        settings: what is decided at compile time.

    Returns:
        The pipeline.
    """

    # A pipeline of its own: a condition on an output of a task with several outputs is always false in local runs,
    # while a condition on an input is not.
    @dsl.pipeline(name="build-if-changed", description="Builds if an input has changed.")
    def build_if_changed(
        changed: bool,
        config: str,
        snapshot: str,
        accelerator: str,
        accelerator_count: str,
        training_accelerator_count: str,
        cpu: str,
        memory: str,
        node_selector: dict,
        tolerations: list,
        secret: str,
    ):
        with dsl.If(changed == True, name="changed"):  # noqa: E712  KFP compiles the comparison.
            resources = {
                "accelerator": accelerator,
                "accelerator_count": accelerator_count,
                "training_accelerator_count": training_accelerator_count,
                "cpu": cpu,
                "memory": memory,
                "node_selector": node_selector,
                "tolerations": tolerations,
                "secret": secret,
            }
            add_build(settings, config=config, snapshot=snapshot, resources=resources)

    def work(found: dsl.PipelineTask, resources: dict) -> None:
        given = {key: found.outputs[key] for key in ("changed", "config", "snapshot")}
        build_if_changed(**given, **resources).set_display_name("Build if changed")

    description = "Builds and promotes a portfolio when an input has changed."
    return make_run("rebuild-on-change", description, settings, work, only_if_changed=True)
