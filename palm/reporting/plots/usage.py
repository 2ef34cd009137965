"""Figure of a portfolio: which policy serves which preferences best."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from palm.reporting.plots.axes import mark_point, name_line, ternary_axes, two_reward_axis
from palm.reporting.plots.regions import area_share, centroid, serving_regions
from palm.reporting.plots.style import CENTRED_TEXT, INK, MUTED, PAPER, SIZE_INCHES, Look, styled, text_on

_SMALLEST_LABELLED_SHARE = 0.025
_SMALLEST_SHARE_WITH_NUMBER = 0.08


@styled
def usage_figure(
    value_vectors: np.ndarray,
    *,
    usage: Sequence[float],
    reward_names: Sequence[str],
    labels: Sequence[str],
    colours: Sequence[str],
    worst_weights: np.ndarray,
) -> Figure:
    """Draw which policy of a portfolio, with value vectors of shape ``(n, d)``, serves which preferences.

    It shows coloured regions at d = 3, a strip under the objectives at d = 2, and bars at d > 3. ``usage`` is the share
    of the simplex of each policy. ``worst_weights`` is the preference with the largest gap; it is not drawn at d > 3.
    """
    figure, look = Figure(figsize=SIZE_INCHES), Look(reward_names, labels, colours)
    if value_vectors.shape[1] > 3:
        _draw_bars(figure, usage, look)
    else:
        draw = _draw_regions if value_vectors.shape[1] == 3 else _draw_strip
        draw(figure, value_vectors, usage, look, worst_weights)
    return figure


def _draw_regions(
    figure: Figure, value_vectors: np.ndarray, usage: Sequence[float], look: Look, worst_weights: np.ndarray
) -> None:
    axes, regions = ternary_axes(figure, look.reward_names), serving_regions(value_vectors)
    for polygon, share, label, colour in zip(regions, usage, look.labels, look.colours, strict=True):
        if not len(polygon):
            continue
        text = f"{label}\n{100 * share:.0f} %" if share >= _SMALLEST_SHARE_WITH_NUMBER else label
        axes.fill(*polygon.T, facecolor=colour, edgecolor=PAPER, linewidth=1.2, zorder=3)
        if area_share(polygon) >= _SMALLEST_LABELLED_SHARE:
            font = {"fontsize": 10, "fontweight": "bold", "linespacing": 1.35, "color": text_on(colour)}
            axes.text(*centroid(polygon), text, ha="center", va="center", zorder=5, **font)
    mark_point(axes, worst_weights, label="worst", colour=INK)


def _draw_strip(
    figure: Figure, value_vectors: np.ndarray, usage: Sequence[float], look: Look, worst_weights: np.ndarray
) -> None:
    axis_name = two_reward_axis(look.reward_names)
    bottom = 0.075 + 0.045 * (axis_name.count("\n") + 1)
    axes = figure.add_axes((0.14, bottom + 0.105, 0.82, 0.835 - bottom))
    strip = figure.add_axes((0.14, bottom, 0.82, 0.07), sharex=axes)
    first = np.linspace(0, 1, 2001)
    objectives = value_vectors @ np.array([first, 1 - first])
    best = objectives.argmax(axis=0)
    for policy, (label, colour) in enumerate(zip(look.labels, look.colours, strict=True)):
        axes.plot(first, objectives[policy], color=colour, linewidth=1.0, alpha=0.6)
        axes.plot(first, np.where(best == policy, objectives[policy], np.nan), color=colour, linewidth=3)
        served = first[best == policy]
        if not served.size:
            continue
        # J is linear, so the weights that one policy serves are a single interval.
        strip.axvspan(served[0], served[-1], color=colour, linewidth=0)
        text = f"{label} · {100 * usage[policy]:.0f} %" if usage[policy] >= 0.15 else label
        if usage[policy] >= 0.05:
            font = {"color": text_on(colour), "fontsize": 9, "transform": strip.get_xaxis_transform()}
            strip.text(served.mean(), 0.5, text, **font, **CENTRED_TEXT)
    axes.set_xlim(0, 1)
    name_line(axes, worst_weights[0], label="worst", colour=INK)
    axes.set_ylabel("objective J")
    axes.grid(True)
    axes.tick_params(labelbottom=False, length=0)
    strip.set_yticks([])
    strip.spines["left"].set_visible(False)
    strip.set_xlabel(axis_name)


def _draw_bars(figure: Figure, usage: Sequence[float], look: Look) -> None:
    axes = figure.add_axes((0.12, 0.14, 0.82, 0.8))
    rows = np.arange(len(usage))
    axes.barh(rows, usage, color=look.colours, height=min(0.7, 0.12 * len(usage) + 0.1))
    for row, share in enumerate(usage):
        axes.annotate(f"{100 * share:.1f} %", (share, row), xytext=(5, 0), textcoords="offset points", va="center")
    axes.set_yticks(rows, look.labels, fontweight="bold", color=INK)
    axes.set_xlim(0, max(usage) * 1.18)
    axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g} %")
    axes.set_xlabel("share of all preferences served best", color=MUTED)
    axes.set_ylim(len(usage) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.grid(True, axis="x")
    axes.tick_params(length=0)
