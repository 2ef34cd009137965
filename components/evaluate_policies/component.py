"""Component: the policies of a group, measured on the held-out prompts."""

from kfp import dsl

from components import IMAGE
from components.authoring import documented_by
from components.evaluate_policies.task import run


@dsl.component(base_image=IMAGE, install_kfp_package=False)
@documented_by(run)
def evaluate_policies(
    config: str, plan: dsl.Input[dsl.Dataset], policies: list, metrics: dsl.Output[dsl.Metrics]
) -> list:
    from components.evaluate_policies.task import run

    return run(config, plan, policies, metrics)
