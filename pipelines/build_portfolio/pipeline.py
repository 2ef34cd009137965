"""Pipeline: configuration in, certified and registered portfolio out."""

from typing import Callable

from kfp import dsl

from palm.config.cluster import Cluster
from palm.pipelines.build import add_build
from palm.pipelines.run import make_run


def make_build_portfolio(cluster: Cluster) -> Callable:
    """The pipeline that builds a portfolio whether or not anything has changed."""

    def work(found: dsl.PipelineTask) -> None:
        add_build(cluster, config=found.outputs["config"], snapshot=found.outputs["snapshot"])

    description = "Trains, certifies, registers and promotes a portfolio."
    return make_run("build-portfolio", description, cluster, work, only_if_changed=False)
