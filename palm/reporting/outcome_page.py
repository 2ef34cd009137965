"""The page of a run that built no portfolio: what failed and why, or that nothing had changed."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from palm.storage.files import write_text

_KINDS = {"failed": "warning", "refused": "warning", "promoted": "good", "unchanged": "neutral"}


def write_outcome_page(title: str, outcome: dict, destination: Path) -> None:
    """Write the page in one step.

    Args:
        title: name of the portfolio.
        outcome: as `palm.stages.record_outcome.record_outcome` gives it.
        destination: HTML file.
    """
    environment = Environment(
        loader=PackageLoader("palm.reporting", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("outcome.html.j2")
    kind = _KINDS.get(outcome["state"], "neutral")
    write_text(destination, page.render(title=title, outcome=outcome, kind=kind))
