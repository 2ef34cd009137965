"""Axes and annotations that several figures share."""

from collections.abc import Sequence

import mpltern  # noqa: F401 - registers the projection "ternary"
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from palm.reporting.plots.style import INK, MUTED, PAPER, wrapped

_GRID = (0.25, 0.5, 0.75)
_TOP_CORNER = 0.8
_OFFSET = {"textcoords": "offset points", "fontsize": 9.5, "fontweight": "bold"}

_DIRECTIONS = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)]
_WIDTH_PER_CHARACTER_POINTS = 6.4
_HEIGHT_POINTS = 10.5
_REACHES_POINTS = (6.0, 13.0, 21.0)
_THREAD = {"arrowstyle": "-", "linewidth": 0.7, "color": MUTED, "shrinkA": 0, "shrinkB": 3}


def ternary_axes(figure: Figure, reward_names: Sequence[str]) -> Axes:
    """Add ternary axes that fill a figure, with a corner for each of three rewards: top, left, right.

    Methods of the axes take top, left and right coordinates.
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


def two_reward_axis(reward_names: Sequence[str]) -> str:
    """Name of the horizontal axis for two rewards, which leave one free weight."""
    first, second = (wrapped(name, 28) for name in reward_names)
    return f"weight of {first}\n(the rest on {second})"


def mark_point(axes: Axes, weights: np.ndarray, *, label: str, colour: str) -> None:
    """Draw a labelled ring with a cross at one preference, shape ``(3,)``, on ternary axes."""
    point = [[share] for share in np.asarray(weights, dtype=float)]
    # A wider pale ring below keeps the mark visible on any region's colour.
    for ring_colour, width in ((PAPER, 5.0), (colour, 2.0)):
        look = {"linewidths": width, "clip_on": False, "zorder": 7}
        axes.scatter(*point, s=120, facecolors="none", edgecolors=ring_colour, **look)
        axes.scatter(*point, s=30, marker="x", color=ring_colour, **look)
    place, middle = axes.transProjection.transform(np.array([np.ravel(point), np.full(3, 1 / 3)]))
    # Towards the middle, so that it stays clear of the corners' names.
    side = -1 if place[0] > middle[0] else 1
    # Near the top corner its name is above the mark, so the label goes below; elsewhere above.
    rise = -1 if weights[0] > _TOP_CORNER else 1
    axes.annotate(
        label,
        place,
        xytext=(side * 10, rise * 10),
        ha="right" if side < 0 else "left",
        va="bottom" if rise > 0 else "top",
        color=colour,
        zorder=8,
        bbox={"boxstyle": "round,pad=0.25", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.9},
        **_OFFSET,
    )


def name_line(axes: Axes, position: float, *, label: str, colour: str) -> None:
    """Draw a dashed vertical line with a name above it; the horizontal limits must be set already."""
    low, high = axes.get_xlim()
    share = (position - low) / (high - low)
    axes.axvline(position, color=colour, linewidth=1.2, linestyle=(0, (3, 2)), zorder=2.5)
    axes.annotate(
        label,
        (position, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 2),
        # Near an edge the name goes to the inner side.
        ha="left" if share < 0.15 else "right" if share > 0.85 else "center",
        va="bottom",
        color=colour,
        **_OFFSET,
    )


def label_points(axes: Axes, points: np.ndarray, *, labels: list[str], obstacles: np.ndarray) -> None:
    """Write short labels beside points, shape ``(m, 2)``, each on the side where it covers the least.

    The axes must hold everything else; obstacles, shape ``(o, 2)``, are points that should stay visible.
    """
    # Matplotlib computes limits only when drawing; the transform below needs them now.
    axes.autoscale_view()
    points_per_pixel = 72.0 / axes.figure.dpi
    centres = axes.transData.transform(points) * points_per_pixel
    dots = _boxes(axes.transData.transform(obstacles) * points_per_pixel, 3.0)
    window = axes.get_window_extent().extents[None] * points_per_pixel
    written = np.empty((0, 4))
    for centre, point, label in zip(centres, points, labels, strict=True):
        half = np.array([len(label) * _WIDTH_PER_CHARACTER_POINTS, _HEIGHT_POINTS]) / 2
        offsets = np.array([np.array(way) * (half + reach) for reach in _REACHES_POINTS for way in _DIRECTIONS])
        boxes = _boxes(centre + offsets, half)
        outside = 4 * half.prod() - _overlaps(boxes, window)[:, 0]
        costs = _overlaps(boxes, dots).sum(axis=1) + 100 * _overlaps(boxes, written).sum(axis=1) + 10 * outside
        # Directions are in order of preference: among equals the first wins.
        best = int(np.argmin(costs.round(6)))
        written = np.vstack([written, boxes[best]])
        axes.annotate(
            label,
            point,
            xytext=offsets[best],
            ha="center",
            va="center",
            zorder=6,
            # A line to the point if the label had to move away from it.
            arrowprops=_THREAD if best >= len(_DIRECTIONS) else None,
            path_effects=[withStroke(linewidth=2.5, foreground=PAPER)],
            **_OFFSET,
        )


def _boxes(centres: np.ndarray, half_sizes: np.ndarray | float) -> np.ndarray:
    """Boxes (left, bottom, right, top) around points, shape ``(m, 4)``."""
    return np.hstack([centres - half_sizes, centres + half_sizes])


def _overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Shared area of every box with every other one, shape ``(m, o)``."""
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    return np.maximum(high - low, 0).prod(axis=2)
