"""Labels that do not cover each other, and the named line across a plot."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from palm.reporting.plots.style import MUTED, PAPER

_DIRECTIONS = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)]
_WIDTH_PER_CHARACTER_POINTS = 6.4
_HEIGHT_POINTS = 10.5
_REACHES_POINTS = (6.0, 13.0, 21.0)
_THREAD = {"arrowstyle": "-", "linewidth": 0.7, "color": MUTED, "shrinkA": 0, "shrinkB": 3}


def label_points(axes: Axes, points: np.ndarray, *, labels: list[str], obstacles: np.ndarray) -> None:
    """Write labels beside points, each on the side where it covers the least.

    Args:
        axes: rectangular axes that hold everything but the labels.
        points: data coordinates of the points to label, shape ``(m, 2)``.
        labels: their texts, at most a few characters each.
        obstacles: data coordinates of everything else that should stay visible, shape ``(o, 2)``.
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
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=9.5,
            fontweight="bold",
            zorder=6,
            # A thread to the point where the label had to move away from it.
            arrowprops=_THREAD if best >= len(_DIRECTIONS) else None,
            path_effects=[withStroke(linewidth=2.5, foreground=PAPER)],
        )


def name_line(axes: Axes, position: float, *, label: str, colour: str) -> None:
    """Draw a dashed vertical line across a plot with its name above it.

    Args:
        axes: rectangular axes whose horizontal limits are already set.
        position: horizontal data coordinate.
        label: the name.
        colour: of line and name.
    """
    low, high = axes.get_xlim()
    share = (position - low) / (high - low)
    axes.axvline(position, color=colour, linewidth=1.2, linestyle=(0, (3, 2)), zorder=2.5)
    axes.annotate(
        label,
        (position, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 2),
        textcoords="offset points",
        # Near an edge the name goes to the inner side.
        ha="left" if share < 0.15 else "right" if share > 0.85 else "center",
        va="bottom",
        color=colour,
        fontsize=9.5,
        fontweight="bold",
    )


def _boxes(centres: np.ndarray, half_sizes: np.ndarray | float) -> np.ndarray:
    """Boxes (left, bottom, right, top) around points, shape ``(m, 4)``."""
    return np.hstack([centres - half_sizes, centres + half_sizes])


def _overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Shared area of every box with every other one, shape ``(m, o)``."""
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    return np.maximum(high - low, 0).prod(axis=2)
