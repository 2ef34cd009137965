"""Component: the policies of a group, one for each vector of preference weights."""

from kfp.dsl import Dataset, Input, Markdown, Metrics, Output, component

from palm.components.authoring import documented_by
from palm.components.train_policies.task import run
from palm.config.cluster import IMAGE


@component(base_image=IMAGE, install_kfp_package=False)
@documented_by(run)
def train_policies(
    config: str,
    plan: Input[Dataset],
    group: str,
    table: Output[Markdown],
    metrics: Output[Metrics],
) -> list:
    from palm.components.train_policies.task import run

    return run(config, plan, group, table, metrics)
