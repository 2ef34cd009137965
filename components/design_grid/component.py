"""Component: the preference weights to train."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def design_grid(config: str, rollouts: dsl.Input[dsl.Dataset], design: dsl.Output[dsl.Artifact]) -> list:
    """Design the grid of preference weights and certify its coverage.

    Args:
        config: The validated configuration, as JSON text.
        rollouts: Scored rollouts of the reference policy; strategy `predicted` chooses from them.
        design: JSON file with the weights and the coverage certificate.

    Returns:
        The preference weights, one list a policy.
    """
    from pathlib import Path

    from palm.config_file import parse_config
    from palm.stages.design_grid import design_grid as step

    return step(parse_config(config), Path(rollouts.path), Path(design.path))
