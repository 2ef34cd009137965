"""What the template shows, worked out from a build."""

from dataclasses import dataclass

import numpy as np

from palm.errors import DataError
from palm.reporting.numbers import vector
from palm.reporting.plots.style import UNCHOSEN, policy_colour, text_on

_SECTIONS = (
    "title",
    "build_id",
    "created",
    "palm_version",
    "reward_names",
    "metric_names",
    "beta",
    "design",
    "reference",
    "policies",
    "selection",
    "registration",
    "promotion",
    "samples",
    "config_yaml",
)


@dataclass(frozen=True)
class PolicyView:
    """One trained policy with its place on the page.

    Attributes:
        short: ``P1``, ``P2``, …: the portfolio's policies in its order, then all others.
        label: the short name with the weights.
        chosen: whether it is in the portfolio.
        colour: ``#rrggbb``, grey unless chosen.
        text_colour: legible on the colour.
        usage: share of preferences that it serves, None unless chosen.
        record: the build's entry.
    """

    short: str
    label: str
    chosen: bool
    colour: str
    text_colour: str
    usage: float | None
    record: dict


@dataclass(frozen=True)
class Verdict:
    """The headline.

    Attributes:
        kind: ``good``, ``warning`` or ``neutral``: the banner's colour.
        headline: what happened.
        reason: why, or what is missing.
    """

    kind: str
    headline: str
    reason: str


def check_build(build: dict) -> None:
    """Refuse a build that the page cannot be made from.

    Args:
        build: the build.

    Raises:
        DataError: a section is missing, there is no policy, weights have the wrong length, or the portfolio
            names a policy that was not trained.
    """
    missing = [name for name in _SECTIONS if name not in build]
    if missing:
        raise DataError(
            f"build without {', '.join(missing)}",
            rule="the report needs every section",
            remedy="pass None for a stage that has not run",
        )
    dimension = len(build["reward_names"])
    wrong = [p["policy"] for p in build["policies"] if len(p["weights"]) != dimension]
    if wrong or not build["policies"]:
        raise DataError(
            f"policies={wrong}",
            rule=f"must be at least one, each with {dimension} weights",
            remedy="give every policy the weights it was trained with",
        )
    unknown = set(build["selection"]["portfolio"]) - {p["policy"] for p in build["policies"]}
    if unknown:
        raise DataError(
            f"portfolio={sorted(unknown)}",
            rule="must name trained policies",
            remedy="select among the build's policies",
        )


def policy_views(build: dict) -> list[PolicyView]:
    """Name and colour every policy.

    Args:
        build: the build.

    Returns:
        The portfolio's policies in its order, then the others in the build's order.
    """
    records = {record["policy"]: record for record in build["policies"]}
    portfolio = build["selection"]["portfolio"]
    others = [name for name in records if name not in portfolio]
    views = []
    for rank, name in enumerate([*portfolio, *others]):
        chosen = rank < len(portfolio)
        colour = policy_colour(rank) if chosen else UNCHOSEN
        views.append(
            PolicyView(
                short=f"P{rank + 1}",
                label=f"P{rank + 1} {vector(records[name]['weights'])}",
                chosen=chosen,
                colour=colour,
                text_colour=text_on(colour),
                record=records[name],
                usage=build["selection"]["usage"].get(name, 0.0) if chosen else None,
            )
        )
    return views


def verdict(build: dict) -> Verdict:
    """Say what became of the portfolio.

    Args:
        build: the build.

    Returns:
        The headline; neutral when a stage has not run.
    """
    registration, promotion = build["registration"], build["promotion"]
    if registration is None:
        return Verdict("neutral", "Not registered", "The registration step has not run for this build.")
    version = f"{registration['model']} version {registration['version']}"
    if promotion is None:
        return Verdict("neutral", f"Registered as {version}", "The promotion step has not run for this build.")
    if promotion["promoted"]:
        return Verdict("good", f"Promoted: {version} is now champion", promotion["reason"])
    return Verdict("warning", f"Not promoted: {version}", promotion["reason"])


def server_of(weights: list[float], views: list[PolicyView]) -> PolicyView:
    """The portfolio's policy with the highest objective at a preference.

    Args:
        weights: a point of the simplex, shape ``(d,)``.
        views: all policies.

    Returns:
        One that is in the portfolio.
    """
    chosen = [view for view in views if view.chosen]
    return chosen[int(np.argmax([np.dot(view.record["value_vector"], weights) for view in chosen]))]
