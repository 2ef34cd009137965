"""The report: one self-contained HTML page about one build."""

from pathlib import Path

from jinja2 import UndefinedError

from palm.errors import DataError
from palm.reporting import numbers
from palm.reporting.panels import main_panels, trade_off_panels
from palm.reporting.templates import page_template
from palm.reporting.view import check_build, policy_views, server_of, verdict
from palm.storage.files import write_text


def write_report(build: dict, destination: Path) -> Path:
    """Write the page in one step: readers see the old page or the whole new one.

    Args:
        build: everything known about the build, JSON-like; ``registration`` and ``promotion`` may be None.
        destination: the HTML file.

    Returns:
        The destination.

    Raises:
        DataError: the build lacks something that the page shows.
    """
    write_text(Path(destination), render_report(build))
    return Path(destination)


def render_report(build: dict) -> str:
    """Make the page's HTML: no scripts, no requests, everything from the build escaped.

    Args:
        build: as for ``write_report``.

    Returns:
        An HTML document.

    Raises:
        DataError: the build lacks something that the page shows.
    """
    check_build(build)
    try:
        views = policy_views(build)
        worst = build["selection"]["worst_weights"]
        return page_template("report.html.j2").render(
            build=build,
            views=views,
            verdict=verdict(build),
            chosen=[view for view in views if view.chosen],
            by_name={view.record["policy"]: view for view in views},
            worst_served_by=server_of(worst, views),
            worst_in_words=numbers.in_words(worst, build["reward_names"]),
            panels=main_panels(build, views),
            trade_offs=trade_off_panels(build, views),
        )
    except (KeyError, UndefinedError) as error:
        raise DataError(
            f"build ({error})",
            rule="the report needs every field",
            remedy="pass None for a value that is not known",
        ) from error
