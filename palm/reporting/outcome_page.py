"""The page of a run that built no portfolio: what failed and why, or that nothing had changed."""

from pathlib import Path

from palm.reporting.templates import page_template
from palm.storage.files import write_text

_KINDS = {"failed": "warning", "refused": "warning", "promoted": "good", "unchanged": "neutral"}


def write_outcome_page(title: str, outcome: dict, destination: Path) -> None:
    """Write the page in one step.

    Args:
        title: name of the portfolio.
        outcome: as `palm.steps.record_outcome.record_outcome` gives it.
        destination: HTML file.
    """
    kind = _KINDS.get(outcome["state"], "neutral")
    page = page_template("outcome.html.j2").render(title=title, outcome=outcome, kind=kind)
    write_text(destination, page)
