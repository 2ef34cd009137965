"""Component: the policies that make the portfolio."""

from kfp.dsl import Artifact, Dataset, Input, Metrics, Output, component

from components import IMAGE
from components.authoring import documented_by
from components.select_portfolio.task import run


@component(base_image=IMAGE, install_kfp_package=False)
@documented_by(run)
def select_portfolio(
    config: str,
    plan: Input[Dataset],
    evaluations: list,
    selection: Output[Artifact],
    metrics: Output[Metrics],
):
    from components.select_portfolio.task import run

    run(config, plan, evaluations, selection, metrics)
