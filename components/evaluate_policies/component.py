"""Component: the policies of a group, measured on the held-out prompts."""

from kfp.dsl import Dataset, Input, Metrics, Output, component

from palm.components.authoring import documented_by
from palm.components.evaluate_policies.task import run
from palm.config.cluster import IMAGE


@component(base_image=IMAGE, install_kfp_package=False)
@documented_by(run)
def evaluate_policies(config: str, plan: Input[Dataset], policies: list, metrics: Output[Metrics]) -> list:
    from palm.components.evaluate_policies.task import run

    return run(config, plan, policies, metrics)
