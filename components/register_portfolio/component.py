"""Component: the portfolio as one MLflow model version, and the gate before the alias champion."""

from kfp.dsl import Artifact, Dataset, Input, Markdown, Output, component

from palm.components.authoring import documented_by
from palm.components.register_portfolio.task import run
from palm.config.cluster import IMAGE


@component(base_image=IMAGE, install_kfp_package=False)
@documented_by(run)
def register_portfolio(
    config: str,
    plan: Input[Dataset],
    selection: Input[Artifact],
    gate: Output[Markdown],
    summary: Output[Artifact],
    snapshot: str = "",
):
    from palm.components.register_portfolio.task import run

    run(config, plan, selection, gate, summary, snapshot)
