"""Step: the gate, and the alias `champion` if it passes."""

from pathlib import Path

from palm.config import PortfolioConfig
from palm.progress import stage
from palm.registry.promotion import promote
from palm.storage.files import read_json, write_json


def promote_portfolio(config: PortfolioConfig, *, registration: Path, selection: Path, destination: Path) -> dict:
    """Judge the registered portfolio and promote it if it passes.

    Args:
        config: the configuration.
        registration: JSON file of the step register_portfolio.
        selection: JSON file of the step select_portfolio.
        destination: JSON file to write.

    Returns:
        Its content: the verdict with its reason.

    Raises:
        RegistryError: MLflow fails.
    """
    with stage("promote_portfolio", config.registry.model):
        chosen = read_json(selection)
        guards = {
            record["policy"]: record["guard"]["message"]
            for record in chosen["policies"]
            if record["guard"] is not None and record["policy"] in chosen["portfolio"]
        }
        verdict = promote(config, version=read_json(registration)["version"], epsilon=chosen["epsilon"], guards=guards)
        write_json(destination, verdict)
    return verdict
