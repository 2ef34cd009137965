"""Component: the preference weights to train, and how each policy is obtained."""

from typing import NamedTuple

from kfp.dsl import Dataset, Metrics, Output, component

from palm.components.authoring import documented_by
from palm.components.design_grid.task import run
from palm.config.cluster import IMAGE


@component(base_image=IMAGE, install_kfp_package=False)
@documented_by(run)
def design_grid(
    config: str, base_model: str, rollouts: str, plan: Output[Dataset], metrics: Output[Metrics], snapshot: str = ""
) -> NamedTuple("Designed", Output=list, config=str, snapshot=str):
    from palm.components.design_grid.task import run

    return run(config, base_model, rollouts, plan, metrics, snapshot)
