"""Pipeline: configuration in, certified and registered portfolio out."""

from typing import Callable

from kfp import dsl

from palm.pipelines.build import add_build
from palm.pipelines.run import make_run
from palm.pipelines.settings import CompileSettings


def make_build_portfolio(settings: CompileSettings) -> Callable:
    """The pipeline that builds a portfolio whether or not anything has changed.

    Args:
        settings: what is decided at compile time.

    Returns:
        The pipeline.
    """

    def work(found: dsl.PipelineTask, resources: dict) -> None:
        given = {key: found.outputs[key] for key in ("config", "snapshot")}
        add_build(settings, **given, resources=resources)

    description = "Trains, certifies, registers and promotes a portfolio."
    return make_run("build-portfolio", description, settings, work, only_if_changed=False)
