"""Ternary axes for three rewards."""

import mpltern  # noqa: F401 - registers the projection "ternary"
import numpy as np
from matplotlib.figure import Figure

from palm.reporting.plots.style import INK, PAPER, wrapped

_GRID = (0.25, 0.5, 0.75)
_TOP_CORNER = 0.8


def ternary_axes(figure: Figure, reward_names: list[str]):
    """Add ternary axes that fill a figure, a corner for each reward.

    Args:
        figure: an empty figure.
        reward_names: the three names; the first is the top corner, then left, then right.

    Returns:
        The axes, whose methods take top, left and right coordinates.
    """
    # The left and the right corner share a line, the top corner has its own.
    top, left, right = (wrapped(name, width) for name, width in zip(reward_names, (40, 20, 20), strict=True))
    above, below = 0.05 * top.count("\n"), 0.05 * max(left.count("\n"), right.count("\n"))
    axes = figure.add_axes((0.05, 0.12 + below, 0.9, 0.77 - above - below), projection="ternary")
    for axis in (axes.taxis, axes.laxis, axes.raxis):
        axis.set_ticks(_GRID, labels=[""] * len(_GRID))
    axes.tick_params(length=0)
    axes.grid(True)
    bold = {"fontweight": "bold", "color": INK}
    axes.text(1.05, -0.025, -0.025, top, ha="center", va="bottom", **bold)
    axes.text(-0.075, 1.095, -0.02, left, ha="left", va="top", **bold)
    axes.text(-0.075, -0.02, 1.095, right, ha="right", va="top", **bold)
    return axes


def mark_point(axes, weights: np.ndarray, *, label: str, colour: str) -> None:
    """Draw a ring with a cross at one preference and name it.

    Args:
        axes: ternary axes.
        weights: preference weights, shape ``(3,)``.
        label: its name, written on the side towards the middle so that it stays clear of the corners' names.
        colour: of the ring and the text.
    """
    point = [[share] for share in np.asarray(weights, dtype=float)]
    # A wider pale ring below keeps the mark visible on any region's colour.
    for ring_colour, width in ((PAPER, 5.0), (colour, 2.0)):
        axes.scatter(
            *point,
            s=120,
            facecolors="none",
            edgecolors=ring_colour,
            linewidths=width,
            clip_on=False,
            zorder=7,
        )
        axes.scatter(*point, s=30, marker="x", color=ring_colour, linewidths=width, clip_on=False, zorder=7)
    place, middle = axes.transProjection.transform(np.array([np.ravel(point), np.full(3, 1 / 3)]))
    side = -1 if place[0] > middle[0] else 1
    # Near the top corner its name is above the mark, so the label goes below; elsewhere above.
    rise = -1 if weights[0] > _TOP_CORNER else 1
    axes.annotate(
        label,
        place,
        xytext=(side * 10, rise * 10),
        textcoords="offset points",
        ha="right" if side < 0 else "left",
        va="bottom" if rise > 0 else "top",
        color=colour,
        fontsize=9.5,
        fontweight="bold",
        zorder=8,
        bbox={"boxstyle": "round,pad=0.25", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.9},
    )
