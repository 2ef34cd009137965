"""What a configuration asks of its design, and whether it may."""

from palm.config.portfolio import PortfolioConfig
from palm.geometry.preferences.request import check_request


def check_design(config: PortfolioConfig) -> None:
    """Check what a configuration asks of its design, without making it.

    Args:
        config: the configuration.

    Raises:
        WeightsError: the strategy or its numbers are out of their domain.
    """
    arguments = design_arguments(config)
    del arguments["seed"]
    check_request(**arguments)


def design_arguments(config: PortfolioConfig) -> dict:
    """The arguments of the design that a configuration asks for.

    Args:
        config: the configuration.

    Returns:
        Arguments of `palm.geometry.preferences.design.design_grid`.
    """
    return {"objectives": len(config.rewards), **config.design.model_dump(exclude={"time_limit_seconds"})}
