"""Step: the gate, and the alias `champion` if it passes."""

from pathlib import Path

from palm.config import PortfolioConfig
from palm.progress import stage
from palm.registry.promotion import promote
from palm.storage.files import read_json, write_json, write_text


def promote_portfolio(
    config: PortfolioConfig, *, registration: Path, selection: Path, destination: Path, page: Path
) -> dict:
    """Judge the registered portfolio and promote it if it passes.

    Args:
        config: the configuration.
        registration: JSON file of the step register_portfolio.
        selection: JSON file of the step select_portfolio.
        destination: JSON file to write.
        page: Markdown file to write: the same for people.

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
        write_text(page, verdict_markdown(config.registry.model, verdict, guards))
    return verdict


def verdict_markdown(model: str, verdict: dict, guards: dict[str, str]) -> str:
    """Write a verdict for people.

    Args:
        model: name of the registered model.
        verdict: as `palm.registry.promotion.promote` gives it.
        guards: what a guard said of the training of a member of the portfolio, by policy name.

    Returns:
        Markdown.
    """
    name = f"{model} version {verdict['version']}"
    headline = f"{name} is champion" if verdict["promoted"] else f"{name} was not promoted"
    passed = "yes" if verdict["epsilon"] <= verdict["max_epsilon"] else "**no**"
    previous = verdict["previous_version"]
    rows = [
        f"| certified worst-case gap ε | {verdict['epsilon']:.4f} | at most {verdict['max_epsilon']} | {passed} |",
        f"| policies marked by a guard | {len(guards)} | 0 | {'**no**' if guards else 'yes'} |",
    ]
    parts = [
        f"# {headline}",
        verdict["reason"],
        "\n".join(["| the gate | here | limit | passed |", "|---|---|---|---|", *rows]),
        f"Champion before: version {previous}." if previous else "There was no champion before.",
    ]
    return "\n\n".join(parts) + "\n"
