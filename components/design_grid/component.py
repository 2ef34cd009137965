"""Component: the preference weights to train."""

from typing import NamedTuple

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def design_grid(config: str, rollouts: dsl.Input[dsl.Dataset], design: dsl.Output[dsl.Artifact]) -> NamedTuple(
    "Grid", weights=list, corners=list
):
    """Design the grid of preference weights and certify its coverage.

    Args:
        config: The validated configuration, as JSON text.
        rollouts: Scored rollouts of the reference policy; strategy `predicted` chooses from them.

    Returns:
        design: JSON file with the weights and the coverage certificate.
        weights: The preference weights, one list a policy.
        corners: Those of the policies that must be there before the others are trained; none unless they are soups.
    """
    from palm.workers import run_step

    grid = run_step("design_grid", config, result=("weights",), rollouts=rollouts.path, destination=design.path)
    design.metadata["policies"] = len(grid["weights"])
    return grid["weights"], grid["corners"]
