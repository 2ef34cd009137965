"""Component: the preference weights to train, and how each policy is obtained."""

from kfp import dsl

from components import IMAGE
from components.authoring import documented_by
from components.design_grid.task import run


@dsl.component(base_image=IMAGE, install_kfp_package=False)
@documented_by(run)
def design_grid(
    config: str,
    base_model: str,
    rollouts: str,
    plan: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    snapshot: str = "",
) -> list:
    from components.design_grid.task import run

    return run(config, base_model, rollouts, plan, metrics, snapshot)
