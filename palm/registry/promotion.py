"""The gate between `challenger` and `champion`."""

from palm.config import PortfolioConfig
from palm.mlflow_connection import connected
from palm.registry.register import CHAMPION

_PREVIOUS = "palm.previous_champion"
VERDICT = "palm.verdict"
"""Tag of a version that the gate has judged: ``promoted`` or ``refused``."""


def promote(config: PortfolioConfig, *, version: str, epsilon: float, guards: dict[str, str]) -> dict:
    """Give a version the alias `champion` if its certified worst-case gap is small enough and no guard fired.

    Args:
        config: the configuration.
        version: the registered version to judge.
        epsilon: its certified worst-case gap, in [0, 1].
        guards: what a guard said of the training of a member of the portfolio, by policy name.

    Returns:
        ``promoted``, ``reason``, ``version``, ``epsilon``, ``max_epsilon``, ``previous_version`` (null if none).

    Raises:
        RegistryError: MLflow fails.
    """
    limit = config.promotion.max_epsilon
    with connected(config.registry) as client:
        previous = _previous_champion(client, config.registry.model, version)
        refusal = _refusal(epsilon, limit, guards)
        if refusal is None:
            client.set_registered_model_alias(config.registry.model, CHAMPION, version)
        verdict = "promoted" if refusal is None else "refused"
        client.set_model_version_tag(config.registry.model, version, VERDICT, verdict)
    kept = f"version {previous} stays champion" if previous else "there is no champion yet"
    return {
        "promoted": refusal is None,
        "reason": f"worst-case gap {epsilon:.4f} is within promotion.max_epsilon={limit}"
        if refusal is None
        else f"{refusal[0]}; {kept}; {refusal[1]}",
        "version": version,
        "epsilon": epsilon,
        "max_epsilon": limit,
        "previous_version": None if previous is None else str(previous),
    }


def _previous_champion(client, model: str, version: str) -> str | None:
    """The champion before this version, also if an earlier attempt has promoted it already."""
    champion = client.get_registered_model(model).aliases.get(CHAMPION)
    if champion is not None and str(champion) == str(version):
        return client.get_model_version(model, version).tags.get(_PREVIOUS) or None
    client.set_model_version_tag(model, version, _PREVIOUS, str(champion or ""))
    return champion


def _refusal(epsilon: float, limit: float, guards: dict[str, str]) -> tuple[str, str] | None:
    """Why not, and what to do."""
    if guards:
        name, message = min(guards.items())
        return f"{name} is marked by a guard of its training: {message}", "lower training.learning_rate or train longer"
    if epsilon > limit:
        return (
            f"worst-case gap {epsilon:.4f} exceeds promotion.max_epsilon={limit}",
            "raise selection.size, train more weight vectors, or accept a larger gap",
        )
    return None
