"""Promotion: the gate, the promotion log and the alias `champion`."""

from pydantic import ValidationError

from palm.config.portfolio import PortfolioConfig, Registry
from palm.errors import ConfigError
from palm.promotion.champion import Promotions
from palm.registry.client import Client
from palm.registry.connection import workspace_of_process

__all__ = ["Promotions", "promotions"]


def promotions(source: PortfolioConfig | Registry | str, model: str = "") -> Promotions:
    """Promotions of a portfolio.

    Args:
        source: the configuration or its section `registry`, or the address of MLflow, whose workspace
            is that of MLFLOW_WORKSPACE.
        model: registered model of the portfolio; only with an address.

    Raises:
        ConfigError: an address was given without a model, or one of the two is none.
    """
    if isinstance(source, str):
        if not model:
            raise ConfigError("model=''", rule="is missing", remedy="name the registered model beside MLflow's address")
        try:
            source = Registry(tracking_uri=source, workspace=workspace_of_process(), experiment=model, model=model)
        except ValidationError as error:
            # Without the value: an address may hold a password.
            first = error.errors(include_url=False)[-1]
            rule = first["msg"].removeprefix("Value error, ")
            raise ConfigError(str(first["loc"][0]), rule=rule, remedy="see `palm schema` for registry") from error
    registry = source.registry if isinstance(source, PortfolioConfig) else source
    return Promotions(Client(registry), registry.model)
