"""How many policies a build will train, as far as its configuration tells before the design is made."""

from palm.config.portfolio import PortfolioConfig
from palm.geometry.preferences.levels import expected_pivot_size


def most_policies(config: PortfolioConfig) -> int:
    """Count the policies, or bound their number.

    Args:
        config: the configuration, its design checked (`palm.builds.checks.design.check_design`).

    Returns:
        The exact number for given weights and for the strategies uniform, random and predicted. For palm and minimal,
        which search: ``design.size`` if it is set, else the size of the grid that the search starts from.
    """
    design = config.design
    if design.weights is not None:
        return len(design.weights)
    if design.size is not None:
        return design.size
    return expected_pivot_size(len(config.rewards), epsilon=design.epsilon, delta=design.delta)
