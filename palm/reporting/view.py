"""Views of a build: its policies as the page names and colours them, and the headline."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from palm.artifacts.summary import BuiltPolicy, Summary
from palm.reporting.plots.style import UNCHOSEN, policy_colour, text_on


@dataclass(frozen=True)
class PolicyView:
    """A candidate on the page.

    Attributes:
        short: ``P1``, ``P2``, …: the portfolio in its order, then all others.
        chosen: whether it is in the portfolio.
        colour: ``#rrggbb``, grey unless chosen.
        usage: share of preferences that it serves; None unless chosen.
    """

    short: str
    chosen: bool
    colour: str
    text_colour: str
    usage: float | None
    record: BuiltPolicy


@dataclass(frozen=True)
class Headline:
    """The banner: its kind (``good`` or ``warning``), what happened and why."""

    kind: str
    headline: str
    reason: str


def policy_views(summary: Summary) -> list[PolicyView]:
    """Views of all candidates: the portfolio in its order, then the others in the build's order."""
    records = {record.policy: record for record in summary.policies}
    portfolio = summary.selection.portfolio
    views = []
    for rank, name in enumerate([*portfolio, *(name for name in records if name not in portfolio)]):
        chosen = rank < len(portfolio)
        colour = policy_colour(rank) if chosen else UNCHOSEN
        usage = summary.selection.usage.get(name, 0.0) if chosen else None
        views.append(PolicyView(f"P{rank + 1}", chosen, colour, text_on(colour), usage, records[name]))
    return views


def verdict(summary: Summary) -> Headline:
    """The headline of a build."""
    version = f"{summary.registration.model} version {summary.registration.version}"
    if summary.promotion.promoted:
        return Headline("good", f"Promoted: {version} is now champion", summary.promotion.reason)
    return Headline("warning", f"Not promoted: {version}", summary.promotion.reason)


def server_of(weights: Sequence[float], views: list[PolicyView]) -> PolicyView:
    """The portfolio's policy with the highest objective at a preference, shape ``(d,)``."""
    chosen = [view for view in views if view.chosen]
    return chosen[int(np.argmax([np.dot(view.record.value_vector, weights) for view in chosen]))]
