"""Page of a run that built no portfolio: the failures, or that nothing had changed."""

from pathlib import Path

from palm.artifacts.outcome import Outcome
from palm.reporting.templates import page_template
from palm.storage.files import write_text

_KINDS = {"failed": "warning", "refused": "warning", "promoted": "good", "unchanged": "neutral"}


def write_outcome_page(title: str, outcome: Outcome, destination: Path) -> None:
    """Write the page of an outcome in one step.

    Args:
        title: name of the portfolio.
        outcome: the outcome.
        destination: HTML file.
    """
    kind = _KINDS[outcome.state]
    write_text(destination, page_template("outcome.html.j2").render(title=title, outcome=outcome, kind=kind))
