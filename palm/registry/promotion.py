"""The gate between `challenger` and `champion`."""

from palm.config import PortfolioConfig
from palm.mlflow_connection import connected
from palm.registry.register import CHAMPION

_PREVIOUS = "palm.previous_champion"
VERDICT = "palm.verdict"
"""Tag of a version that the gate has judged: ``promoted`` or ``refused``."""


def promote(config: PortfolioConfig, *, version: str, judgement: dict, who: str) -> dict:
    """Give a version the alias `champion` if the gate let it pass."""
    with connected(config.registry) as client:
        previous = _previous_champion(client, config.registry.model, version)
        if judgement["passed"]:
            client.set_registered_model_alias(config.registry.model, CHAMPION, version)
        verdict = "promoted" if judgement["passed"] else "refused"
        client.set_model_version_tag(config.registry.model, version, VERDICT, verdict)
    return {
        "promoted": judgement["passed"],
        "reason": judgement["reason"],
        "version": version,
        "checks": judgement["checks"],
        "previous_version": None if previous is None else str(previous),
        "log_entry": None,
    }


def _previous_champion(client, model: str, version: str) -> str | None:
    """The champion before this version, also if an earlier attempt has promoted it already."""
    champion = client.get_registered_model(model).aliases.get(CHAMPION)
    if champion is not None and str(champion) == str(version):
        return client.get_model_version(model, version).tags.get(_PREVIOUS) or None
    client.set_model_version_tag(model, version, _PREVIOUS, str(champion or ""))
    return champion
