"""The gate between `challenger` and `champion`."""

from palm.config import PortfolioConfig
from palm.mlflow_connection import connected
from palm.registry.register import CHAMPION


def promote(config: PortfolioConfig, *, version: str, epsilon: float) -> dict:
    """Give a version the alias `champion` if its certified worst-case gap is small enough.

    Args:
        config: the configuration.
        version: the registered version to judge.
        epsilon: its certified worst-case gap, in [0, 1].

    Returns:
        ``promoted``, ``reason``, ``version``, ``epsilon``, ``max_epsilon``, ``previous_version`` (null if none).

    Raises:
        RegistryError: MLflow fails.
    """
    limit = config.promotion.max_epsilon
    with connected(config.registry) as client:
        previous = client.get_registered_model(config.registry.model).aliases.get(CHAMPION)
        promoted = epsilon <= limit
        if promoted:
            client.set_registered_model_alias(config.registry.model, CHAMPION, version)
            reason = f"worst-case gap {epsilon:.4f} is within promotion.max_epsilon={limit}"
        else:
            kept = f"version {previous} stays champion" if previous else "there is no champion yet"
            reason = (
                f"worst-case gap {epsilon:.4f} exceeds promotion.max_epsilon={limit}; {kept}; raise "
                "selection.size, train more weight vectors, or accept a larger gap"
            )
    return {
        "promoted": promoted,
        "reason": reason,
        "version": version,
        "epsilon": epsilon,
        "max_epsilon": limit,
        "previous_version": None if previous is None else str(previous),
    }
