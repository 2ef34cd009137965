"""Answers of a registered portfolio."""

from palm.config.portfolio import PortfolioConfig
from palm.errors import RegistryError
from palm.geometry.preferences.simplex import check_preference_weights
from palm.registry.client import Client
from palm.registry.connection import connected
from palm.registry.version import version_with_alias
from palm.serving.portfolio import Answer, load


def answer(
    config: PortfolioConfig, prompt: str, weights: list[float], *, alias: str, seed: int, temperature: float
) -> Answer:
    """Answer a prompt with the model version that has an alias.

    Args:
        alias: ``champion`` or ``challenger``.
        temperature: 1 is the certified policy, 0 its likeliest response.

    Raises:
        WeightsError: the weights are not on the simplex.
        RegistryError: MLflow fails, or no version has the alias.
    """
    check_preference_weights(weights, len(config.rewards))
    model = config.registry.model
    if version_with_alias(Client(config.registry), model, alias) is None:
        raise RegistryError(
            f"models:/{model}@{alias}",
            rule="does not exist",
            remedy="build the portfolio with `palm run`, or name another --alias",
        )
    with connected(config.registry):
        portfolio = load(f"models:/{model}@{alias}")
    return portfolio.answer(prompt, weights, seed=seed, temperature=temperature)
