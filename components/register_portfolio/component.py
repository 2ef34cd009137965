"""Component: the portfolio as one MLflow model version, and the gate before the alias champion."""

from kfp import dsl

from components import IMAGE
from components.authoring import documented_by
from components.register_portfolio.task import run


@dsl.component(base_image=IMAGE, install_kfp_package=False)
@documented_by(run)
def register_portfolio(
    config: str,
    plan: dsl.Input[dsl.Dataset],
    selection: dsl.Input[dsl.Artifact],
    gate: dsl.Output[dsl.Markdown],
    summary: dsl.Output[dsl.Artifact],
    snapshot: str = "",
):
    from components.register_portfolio.task import run

    run(config, plan, selection, gate, summary, snapshot)
