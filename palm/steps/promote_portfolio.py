"""Step promote_portfolio: the gate, and the alias `champion` if the portfolio passes."""

from pathlib import Path

from palm.artifacts.registration import Registration
from palm.artifacts.selection import Selection
from palm.artifacts.verdict import Check, Verdict
from palm.builds.markdown import plain
from palm.builds.rebuild.candidates import earlier_evaluations
from palm.config.portfolio import PortfolioConfig
from palm.progress import stage
from palm.promotion import promotions
from palm.promotion.gate import judge
from palm.storage.files import write_text


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
) -> Verdict:
    """Judge the registered portfolio and promote it if it passes; the page is the same in Markdown."""
    with stage("promote_portfolio", config.registry.model):
        judgement = judge(
            config,
            selection=Selection.read(selection),
            evaluations=[*evaluations, *earlier_evaluations(plan)],
            plan=plan,
        )
        made = Registration.read(registration)
        verdict = promotions(config).promote(made.version, judgement, who=f"build {build_id}", registered=made.manifest)
        verdict.write(destination)
        write_text(page, _markdown(config.registry.model, verdict))
    return verdict


def _markdown(model: str, verdict: Verdict) -> str:
    name = f"{model} version {verdict.version}"
    headline = f"{name} is champion" if verdict.promoted else f"{name} was not promoted"
    header = f"| the gate | here | bound at {verdict.confidence:.0%} | limit | passed |"
    previous = verdict.previous_version
    parts = [
        f"# {plain(headline)}",
        plain(verdict.reason),
        "\n".join([header, "|---|---|---|---|---|", *(_row(check) for check in verdict.checks)]),
        f"Champion before: version {previous}." if previous else "There was no champion before.",
    ]
    return "\n\n".join(parts) + "\n"


def _row(check: Check) -> str:
    value, bound = ("–" if number is None else f"{number:.4f}" for number in (check.value, check.bound))
    passed = "yes" if check.passed else "**no**"
    return f"| {plain(check.name)} | {value} | {bound} | {check.limit:g} | {passed} |"
