"""Answers of a registered portfolio."""

from palm.config.portfolio import PortfolioConfig
from palm.geometry.preferences.simplex import check_preference_weights
from palm.promotion import promotions
from palm.promotion.load import load_version, version_of_alias
from palm.serving.portfolio import Answer


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
        ModelError: the version is not, file by file, what was certified.
    """
    check_preference_weights(weights, len(config.rewards))
    portfolio = promotions(config)
    served = load_version(portfolio, version_of_alias(portfolio, alias))
    return served.answer(prompt, weights, seed=seed, temperature=temperature)
