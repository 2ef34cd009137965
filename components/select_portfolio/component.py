"""Component: the policies that make the portfolio."""

from kfp import dsl

from components import IMAGE
from components.authoring import documented_by
from components.select_portfolio.task import run


@dsl.component(base_image=IMAGE, install_kfp_package=False)
@documented_by(run)
def select_portfolio(
    config: str,
    plan: dsl.Input[dsl.Dataset],
    evaluations: list,
    selection: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
):
    from components.select_portfolio.task import run

    run(config, plan, evaluations, selection, metrics)
