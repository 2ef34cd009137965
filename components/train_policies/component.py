"""Component: the policies of a group, one for each vector of preference weights."""

from kfp import dsl

from components import IMAGE
from components.authoring import documented_by
from components.train_policies.task import run


@dsl.component(base_image=IMAGE, install_kfp_package=False)
@documented_by(run)
def train_policies(
    config: str,
    plan: dsl.Input[dsl.Dataset],
    group: str,
    table: dsl.Output[dsl.Markdown],
    metrics: dsl.Output[dsl.Metrics],
) -> list:
    from components.train_policies.task import run

    return run(config, plan, group, table, metrics)
