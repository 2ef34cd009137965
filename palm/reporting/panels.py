"""Panels of the report: figures of a build with a title, a caption and a description, as inline SVG."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from markupsafe import Markup

from palm.artifacts.summary import Summary
from palm.reporting.numbers import in_words, percent, percent_up
from palm.reporting.plots.cells import cells_figure
from palm.reporting.plots.curves import size_gap_figure, trade_off_figure
from palm.reporting.plots.inline_svg import inline_svg
from palm.reporting.plots.style import UNCHOSEN
from palm.reporting.plots.usage import usage_figure
from palm.reporting.view import PolicyView


@dataclass(frozen=True)
class Panel:
    """A figure on the page, with its heading and how to read it."""

    title: str
    caption: str
    svg: Markup


def main_panels(summary: Summary, views: list[PolicyView]) -> list[Panel]:
    """Figures of design and portfolio: cells, gap by size, usage."""
    return [_cells(summary, views), _size_gap(summary), _usage(summary, views)]


def trade_off_panels(summary: Summary, views: list[PolicyView]) -> list[Panel]:
    """One scatter plot for each pair of rewards."""
    return [_trade_off(summary, views, pair) for pair in combinations(range(len(summary.reward_names)), 2)]


def _cells(summary: Summary, views: list[PolicyView]) -> Panel:
    design, names = summary.design, summary.reward_names
    by_weights = {tuple(np.round(view.record.weights, 9)): view for view in views if view.chosen}
    found = [by_weights.get(tuple(np.round(weights, 9))) for weights in design.weights]
    point = design.coverage.counterexample
    figure = cells_figure(
        np.array(design.weights),
        epsilon=design.epsilon,
        delta=design.delta,
        reward_names=names,
        labels=[view.short if view else "" for view in found],
        colours=[view.colour if view else UNCHOSEN for view in found],
        counterexample=None if point is None else np.array(point),
    )
    caption = {
        2: "Each bar spans the preferences that, by Lemma 3.2, the policy trained at its dot serves.",
        3: "Each polygon holds the preferences that, by Lemma 3.2, the policy trained at its dot serves. "
        "A corner is a user who cares for that reward only; grid lines are 25 % apart.",
    }.get(
        len(names), f"Cells have {len(names) - 1} dimensions here and cannot be drawn; these are the weights trained."
    )
    if point is not None:
        caption += f" Not covered, for example: {in_words(point, names)}."
    described = f"{len(design.weights)} weight vectors of the design on {len(names)} rewards. {caption}"
    return Panel("What the design covers", caption, inline_svg(figure, name="cells", description=described))


def _size_gap(summary: Summary) -> Panel:
    curve = summary.selection.size_gap_curve
    figure = size_gap_figure(
        [point.size for point in curve],
        exact=[point.exact for point in curve],
        bound=[point.bound for point in curve],
        greedy=[point.greedy for point in curve],
        chosen_size=len(summary.selection.portfolio),
    )
    listed = "; ".join(f"K = {point.size}: {percent_up(point.exact)}" for point in curve[:12])
    caption = "Worst-case gap of the best portfolio of each size, and of the one that greedy selection finds."
    described = f"{caption} Exact: {listed}."
    return Panel("How many policies are enough", caption, inline_svg(figure, name="size-gap", description=described))


def _usage(summary: Summary, views: list[PolicyView]) -> Panel:
    names, worst_weights = summary.reward_names, summary.selection.worst_weights
    chosen = [view for view in views if view.chosen]
    figure = usage_figure(
        np.array([view.record.value_vector for view in chosen]),
        usage=[view.usage for view in chosen],
        reward_names=names,
        labels=[view.short for view in chosen],
        colours=[view.colour for view in chosen],
        worst_weights=np.array(worst_weights),
    )
    worst = in_words(worst_weights, names)
    caption = {
        2: "Lines: objective J of each policy. Strip: which policy is the best for a preference. "
        f"Dashed: the worst case, {worst}.",
        3: f"Each preference in the colour of the policy that serves it best. Ring: the worst case, {worst}.",
    }.get(len(names), f"Share of all preferences that each policy serves best. The worst case is {worst}.")
    shares = "; ".join(f"{view.short} {percent(view.usage, 1)}" for view in chosen)
    described = f"{caption} Shares: {shares}."
    return Panel("Who serves whom", caption, inline_svg(figure, name="usage", description=described))


def _trade_off(summary: Summary, views: list[PolicyView], pair: tuple[int, int]) -> Panel:
    names = [summary.reward_names[index] for index in pair]
    rewards = [[view.record.rewards[name] for name in names] for view in views]
    figure = trade_off_figure(
        np.array([[reward.mean for reward in row] for row in rewards]),
        standard_errors=np.array([[reward.standard_error for reward in row] for row in rewards]),
        axis_names=names,
        labels=[view.short if view.chosen else "" for view in views],
        colours=[view.colour for view in views],
        reference=np.array([summary.reference.rewards[name].mean for name in names]),
    )
    title = f"{names[0]} against {names[1]}"
    described = f"Mean rewards of {len(views)} policies and the reference: {title}."
    return Panel(title, "", inline_svg(figure, name=f"trade-{pair[0]}-{pair[1]}", description=described))
