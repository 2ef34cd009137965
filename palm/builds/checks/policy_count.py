"""Number of policies: how many a build trains, and how many of them a portfolio needs."""

from collections.abc import Sequence

from palm.artifacts.selection import Missing
from palm.config.portfolio import PortfolioConfig
from palm.config.training import Training
from palm.errors import BuildError
from palm.geometry.preferences.levels import expected_pivot_size
from palm.progress import weights_label

_ONE_IN = 10


def most_policies(config: PortfolioConfig) -> int:
    """Largest number of policies that a checked design may have, before it is made.

    It is exact for given weights and for the strategies uniform, random and predicted. For palm and minimal, which
    search, it is ``design.size`` if that is set, else the size of the grid that the search starts from.
    """
    design = config.design
    if design.weights is not None:
        return len(design.weights)
    if design.size is not None:
        return design.size
    return expected_pivot_size(len(config.rewards), epsilon=design.epsilon, delta=design.delta)


def fewest_policies(settings: Training, planned: int) -> int:
    """Smallest number of policies to select a portfolio from: ``training.min_policies``, or all but one in ten."""
    return min(planned, settings.min_policies or planned - planned // _ONE_IN)


def check_enough(settings: Training, planned: int, missing: Sequence[Missing]) -> None:
    """Refuse to select if fewer than `fewest_policies` are left of the ``planned`` ones."""
    fewest = fewest_policies(settings, planned)
    if planned - len(missing) >= fewest:
        return
    first = missing[0]
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    raise BuildError(
        f"{planned - len(missing)} of {planned} policies",
        rule=f"are too few, training.min_policies is {fewest}: train_policy {weights_label(first.weights)} failed: "
        f"{first.error}{more}",
        remedy="fix the cause of the failed training and run again, or lower training.min_policies",
    )
