"""Step: the preference weights to train, with the certificate of their coverage."""

from pathlib import Path

from palm.config import PortfolioConfig
from palm.preferences.design import Design
from palm.preferences.design import design_grid as design
from palm.progress import stage
from palm.storage.files import write_json


def design_grid(config: PortfolioConfig, destination: Path) -> list[list[float]]:
    """Design the grid and write it as JSON.

    Args:
        config: the configuration.
        destination: JSON file to write, in the form that `palm design --json` prints.

    Returns:
        The preference weights, n lists of length d.

    Raises:
        WeightsError: the strategy or its numbers are out of their domain.
    """
    with stage("design_grid", config.design.strategy):
        result = configured_design(config).to_dict()
        write_json(destination, result)
    return result["weights"]


def configured_design(config: PortfolioConfig) -> Design:
    """The design that a configuration asks for.

    Args:
        config: the configuration.

    Returns:
        The preference weights with their coverage.

    Raises:
        WeightsError: the strategy or its numbers are out of their domain.
    """
    settings = config.design
    return design(
        len(config.rewards),
        epsilon=settings.epsilon,
        delta=settings.delta,
        strategy=settings.strategy,
        size=settings.size,
        seed=settings.seed,
    )
