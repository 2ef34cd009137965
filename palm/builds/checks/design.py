"""Check of a configuration's design, before it is made."""

from palm.config.portfolio import PortfolioConfig
from palm.geometry.preferences.request import check_request


def check_design(config: PortfolioConfig) -> None:
    """Check the section ``design`` without making the design."""
    arguments = design_arguments(config)
    del arguments["seed"]
    check_request(**arguments)


def design_arguments(config: PortfolioConfig) -> dict:
    """Arguments of `palm.geometry.preferences.design.design_grid` for a configuration."""
    return {"objectives": len(config.rewards), **config.design.model_dump(exclude={"time_limit_seconds"})}
