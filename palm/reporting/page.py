"""HTML pages: the report of a build, and the outcome of a run that built no portfolio.

A page is one self-contained file without scripts or requests; every text from the build is escaped.
"""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from palm.artifacts.outcome import Outcome
from palm.artifacts.summary import Summary
from palm.reporting import numbers
from palm.reporting.panels import main_panels, trade_off_panels
from palm.reporting.view import policy_views, server_of, verdict
from palm.storage.files import write_text

_FILTERS = (
    numbers.fixed,
    numbers.percent,
    numbers.percent_up,
    numbers.percent_down,
    numbers.vector,
    numbers.duration,
    numbers.moment,
    numbers.breakable,
)
_KINDS = {"failed": "warning", "refused": "warning", "promoted": "good", "unchanged": "neutral"}


def write_report(summary: Summary, destination: Path) -> None:
    """Write the report of a build in one step: readers see the old page or the whole new one."""
    write_text(destination, render_report(summary))


def render_report(summary: Summary) -> str:
    """HTML of the report of a build."""
    views = policy_views(summary)
    worst = summary.selection.worst_weights
    return _render(
        "report.html.j2",
        build=summary,
        views=views,
        verdict=verdict(summary),
        chosen=[view for view in views if view.chosen],
        by_name={view.record.policy: view for view in views},
        worst_served_by=server_of(worst, views),
        worst_in_words=numbers.in_words(worst, summary.reward_names),
        panels=main_panels(summary, views),
        trade_offs=trade_off_panels(summary, views),
    )


def write_outcome_page(title: str, outcome: Outcome, destination: Path) -> None:
    """Write the page of an outcome in one step; the title is the name of the portfolio."""
    write_text(destination, _render("outcome.html.j2", title=title, outcome=outcome, kind=_KINDS[outcome.state]))


def _render(template: str, **values: object) -> str:
    environment = Environment(
        loader=PackageLoader("palm.reporting", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({function.__name__: function for function in _FILTERS})
    return environment.get_template(template).render(values)
