"""Component: the policies of a group, measured on the held-out prompts."""

from kfp.dsl import Dataset, Input, Metrics, Output, component

from components import IMAGE
from components.authoring import documented_by
from components.evaluate_policies.task import run


@component(base_image=IMAGE, install_kfp_package=False)
@documented_by(run)
def evaluate_policies(config: str, plan: Input[Dataset], policies: list, metrics: Output[Metrics]) -> list:
    from components.evaluate_policies.task import run

    return run(config, plan, policies, metrics)
