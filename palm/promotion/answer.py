"""Asking a registered portfolio."""

from palm.config.portfolio import PortfolioConfig
from palm.errors import RegistryError
from palm.geometry.preferences.simplex import check_preference_weights
from palm.registry.connection import connected


def answer(
    config: PortfolioConfig, prompt: str, weights: list[float], *, alias: str, seed: int, temperature: float
) -> dict:
    """Answer a prompt with the model version behind an alias, as any MLflow client would.

    Args:
        config: the configuration, for the registry and the rewards' names.
        prompt: the user's text.
        weights: preference weights, length d.
        alias: which version.
        seed: seed of sampling.
        temperature: 1 is the certified policy, 0 its likeliest response.

    Returns:
        ``policy`` and ``response``.

    Raises:
        WeightsError: the weights are not on the simplex.
        RegistryError: MLflow fails, or no version has the alias.
    """
    import mlflow
    import pandas as pd
    from mlflow.exceptions import MlflowException

    weights = check_preference_weights(weights, len(config.rewards)).tolist()
    model = config.registry.model
    with connected(config.registry) as client:
        try:
            client.get_model_version_by_alias(model, alias)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            raise RegistryError(
                f"models:/{model}@{alias}",
                rule="does not exist",
                remedy="build the portfolio with `palm run`, or name another --alias",
            ) from error
        loaded = mlflow.pyfunc.load_model(f"models:/{model}@{alias}")
        rows = loaded.predict(
            pd.DataFrame({"prompt": [prompt], "weights": [weights]}), params={"seed": seed, "temperature": temperature}
        )
    return rows.iloc[0].to_dict()
