"""Step: the gate, and the alias `champion` if it passes."""

from pathlib import Path

from palm.builds.rebuild.candidates import earlier_evaluations
from palm.config.portfolio import PortfolioConfig
from palm.progress import stage
from palm.promotion.gate import judge
from palm.promotion.promote import promote
from palm.storage.files import read_json, write_json, write_text


def promote_portfolio(
    config: PortfolioConfig,
    build_id: str,
    *,
    registration: Path,
    selection: Path,
    evaluations: list[Path],
    plan: Path,
    destination: Path,
    page: Path,
) -> dict:
    """Judge the registered portfolio and promote it if it passes.

    Args:
        config: the configuration.
        build_id: names the build.
        registration: JSON file of the step register_portfolio.
        selection: JSON file of the step select_portfolio.
        evaluations: folders of the step evaluate_policies.
        plan: folder of the step plan_training.
        destination: JSON file to write.
        page: Markdown file to write: the same for people.

    Returns:
        Its content: the verdict with its reason and the gate's figures (`palm.promotion.promote.promote`), and
        ``confidence`` of the bounds.

    Raises:
        RegistryError: MLflow fails.
    """
    with stage("promote_portfolio", config.registry.model):
        judgement = judge(
            config,
            selection=read_json(selection),
            evaluations=[*evaluations, *earlier_evaluations(plan)],
            plan=plan,
        )
        version = read_json(registration)["version"]
        verdict = promote(config, version=version, judgement=judgement.to_dict(), who=f"build {build_id}")
        verdict["confidence"] = judgement.confidence
        write_json(destination, verdict)
        write_text(page, verdict_markdown(config.registry.model, verdict))
    return verdict


def verdict_markdown(model: str, verdict: dict) -> str:
    """Write a verdict for people.

    Args:
        model: name of the registered model.
        verdict: as `promote_portfolio` gives it.

    Returns:
        Markdown.
    """
    name = f"{model} version {verdict['version']}"
    headline = f"{name} is champion" if verdict["promoted"] else f"{name} was not promoted"
    previous = verdict["previous_version"]
    header = f"| the gate | here | bound at {verdict['confidence']:.0%} | limit | passed |"
    parts = [
        f"# {headline}",
        verdict["reason"],
        "\n".join([header, "|---|---|---|---|---|", *(_row(check) for check in verdict["checks"])]),
        f"Champion before: version {previous}." if previous else "There was no champion before.",
    ]
    return "\n\n".join(parts) + "\n"


def _row(check: dict) -> str:
    value, bound = ("–" if check[key] is None else f"{check[key]:.4f}" for key in ("value", "bound"))
    passed = "yes" if check["passed"] else "**no**"
    return f"| {check['name']} | {value} | {bound} | {check['limit']:g} | {passed} |"
