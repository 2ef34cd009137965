"""Which policy of the portfolio serves which preferences: d = 3, d = 2 and more."""

import numpy as np
from matplotlib.figure import Figure

from palm.reporting.plots.cell_plots import two_reward_axis
from palm.reporting.plots.placement import name_line
from palm.reporting.plots.regions import area_share, centroid, serving_regions
from palm.reporting.plots.style import CENTRED_TEXT, INK, MUTED, PAPER, text_on
from palm.reporting.plots.ternary import mark_point, ternary_axes

_SMALLEST_LABELLED_SHARE = 0.025
_SMALLEST_SHARE_WITH_NUMBER = 0.08


def draw_ternary_usage(
    figure: Figure,
    value_vectors: np.ndarray,
    *,
    usage: np.ndarray,
    reward_names: list[str],
    labels: list[str],
    colours: list[str],
    worst_weights: np.ndarray,
) -> None:
    """Each policy's region of the simplex, exactly, for d = 3.

    Args:
        figure: an empty figure.
        value_vectors: the portfolio's value vectors, shape ``(n, 3)``.
        usage: each policy's share of the simplex, shape ``(n,)``; written below the labels.
        reward_names: the three rewards.
        labels: of the policies; written inside regions large enough.
        colours: of the policies.
        worst_weights: the preference with the largest gap.
    """
    axes = ternary_axes(figure, reward_names)
    for polygon, share, label, colour in zip(serving_regions(value_vectors), usage, labels, colours, strict=True):
        if not len(polygon):
            continue
        text = f"{label}\n{100 * share:.0f} %" if share >= _SMALLEST_SHARE_WITH_NUMBER else label
        axes.fill(*polygon.T, facecolor=colour, edgecolor=PAPER, linewidth=1.2, zorder=3)
        if area_share(polygon) >= _SMALLEST_LABELLED_SHARE:
            axes.text(
                *centroid(polygon),
                text,
                color=text_on(colour),
                fontsize=10,
                fontweight="bold",
                ha="center",
                va="center",
                linespacing=1.35,
                zorder=5,
            )
    mark_point(axes, worst_weights, label="worst", colour=INK)


def draw_strip_usage(
    figure: Figure,
    value_vectors: np.ndarray,
    *,
    usage: np.ndarray,
    reward_names: list[str],
    labels: list[str],
    colours: list[str],
    worst_weights: np.ndarray,
) -> None:
    """Objective of each policy along the one free weight over a strip of who is best, for d = 2.

    Arguments as for d = 3.
    """
    axis_name = two_reward_axis(reward_names)
    bottom = 0.075 + 0.045 * (axis_name.count("\n") + 1)
    axes = figure.add_axes((0.14, bottom + 0.105, 0.82, 0.835 - bottom))
    strip = figure.add_axes((0.14, bottom, 0.82, 0.07), sharex=axes)
    first = np.linspace(0, 1, 2001)
    objectives = value_vectors @ np.array([first, 1 - first])
    best = objectives.argmax(axis=0)
    for policy, (label, colour) in enumerate(zip(labels, colours, strict=True)):
        axes.plot(first, objectives[policy], color=colour, linewidth=1.0, alpha=0.6)
        axes.plot(first, np.where(best == policy, objectives[policy], np.nan), color=colour, linewidth=3)
        served = first[best == policy]
        if not served.size:
            continue
        # J is linear, so the weights that one policy serves are a single interval.
        strip.axvspan(served[0], served[-1], color=colour, linewidth=0)
        text = f"{label} · {100 * usage[policy]:.0f} %" if usage[policy] >= 0.15 else label
        if usage[policy] >= 0.05:
            place = strip.get_xaxis_transform()
            ink = text_on(colour)
            strip.text(served.mean(), 0.5, text, color=ink, fontsize=9, transform=place, **CENTRED_TEXT)
    axes.set_xlim(0, 1)
    name_line(axes, worst_weights[0], label="worst", colour=INK)
    axes.set_ylabel("objective J")
    axes.grid(True)
    axes.tick_params(labelbottom=False, length=0)
    strip.set_yticks([])
    strip.spines["left"].set_visible(False)
    strip.set_xlabel(axis_name)


def draw_usage_bars(figure: Figure, usage: np.ndarray, *, labels: list[str], colours: list[str]) -> None:
    """Each policy's share of all preferences as a bar, when regions have too many dimensions to draw.

    Args:
        figure: an empty figure.
        usage: shares, shape ``(n,)``.
        labels: of the policies.
        colours: of the policies.
    """
    axes = figure.add_axes((0.12, 0.14, 0.82, 0.8))
    rows = np.arange(len(usage))
    axes.barh(rows, usage, color=colours, height=min(0.7, 0.12 * len(usage) + 0.1))
    for row, share in enumerate(usage):
        axes.annotate(f"{100 * share:.1f} %", (share, row), xytext=(5, 0), textcoords="offset points", va="center")
    axes.set_yticks(rows, labels, fontweight="bold", color=INK)
    axes.set_xlim(0, max(usage) * 1.18)
    axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g} %")
    axes.set_xlabel("share of all preferences served best", color=MUTED)
    axes.set_ylim(len(usage) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.grid(True, axis="x")
    axes.tick_params(length=0)
