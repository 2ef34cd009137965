"""Component: the policies that make the portfolio."""

from kfp.dsl import Artifact, Dataset, Input, Metrics, Output, component

from palm.components.authoring import documented_by
from palm.components.select_portfolio.task import run
from palm.config.cluster import IMAGE


@component(base_image=IMAGE, install_kfp_package=False)
@documented_by(run)
def select_portfolio(
    config: str,
    plan: Input[Dataset],
    evaluations: list,
    selection: Output[Artifact],
    metrics: Output[Metrics],
):
    from palm.components.select_portfolio.task import run

    run(config, plan, evaluations, selection, metrics)
