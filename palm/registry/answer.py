"""Answers of a registered portfolio, as any client of MLflow gets them."""

from palm.config.portfolio import PortfolioConfig
from palm.errors import RegistryError
from palm.geometry.preferences.simplex import check_preference_weights
from palm.registry.client import Client, error_code
from palm.registry.connection import connected
from palm.registry.version import ABSENT
from palm.serving.portfolio import Answer


def answer(
    config: PortfolioConfig, prompt: str, weights: list[float], *, alias: str, seed: int, temperature: float
) -> Answer:
    """Answer a prompt with the model version that has an alias.

    Args:
        config: the configuration, for the registry and the rewards' names.
        prompt: the user's text.
        weights: preference weights, length d.
        alias: ``champion`` or ``challenger``.
        seed: seed of sampling.
        temperature: 1 is the certified policy, 0 its likeliest response.

    Raises:
        WeightsError: the weights are not on the simplex.
        RegistryError: MLflow fails, or no version has the alias.
    """
    import mlflow
    import pandas as pd

    weights = check_preference_weights(weights, len(config.rewards)).tolist()
    model = config.registry.model
    try:
        Client(config.registry).get_model_version_by_alias(model, alias)
    except RegistryError as error:
        if error_code(error) not in ABSENT:
            raise
        raise RegistryError(
            f"models:/{model}@{alias}",
            rule="does not exist",
            remedy="build the portfolio with `palm run`, or name another --alias",
        ) from error
    with connected(config.registry):
        loaded = mlflow.pyfunc.load_model(f"models:/{model}@{alias}")
        rows = loaded.predict(
            pd.DataFrame({"prompt": [prompt], "weights": [weights]}), params={"seed": seed, "temperature": temperature}
        )
    return Answer(**rows.iloc[0])
