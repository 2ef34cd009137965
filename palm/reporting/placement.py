"""Where to put a point's label so that labels do not cover each other."""

import numpy as np
from matplotlib.axes import Axes

_DIRECTIONS = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)]
_WIDTH_PER_CHARACTER_POINTS = 5.4
_HEIGHT_POINTS = 9.0


def label_points(axes: Axes, points: np.ndarray, *, labels: list[str], obstacles: np.ndarray) -> None:
    """Write labels beside points, each on the side where it covers the least.

    Args:
        axes: rectangular axes whose limits are already set.
        points: data coordinates of the points to label, shape ``(m, 2)``.
        labels: their texts, at most a few characters each.
        obstacles: data coordinates of everything else that should stay visible, shape ``(o, 2)``.
    """
    points_per_pixel = 72.0 / axes.figure.dpi
    centres = axes.transData.transform(points) * points_per_pixel
    blocked = [_around(point, 3.0) for point in axes.transData.transform(obstacles) * points_per_pixel]
    window = axes.get_window_extent().extents * points_per_pixel
    for centre, point, label in zip(centres, points, labels, strict=True):
        half = np.array([len(label) * _WIDTH_PER_CHARACTER_POINTS, _HEIGHT_POINTS]) / 2
        offsets = [np.array(way) * (half + reach) for reach in (5.0, 12.0) for way in _DIRECTIONS]
        boxes = [np.concatenate([centre + offset - half, centre + offset + half]) for offset in offsets]
        costs = [_cost(box, blocked, window) + 0.1 * index for index, box in enumerate(boxes)]
        best = int(np.argmin(costs))
        blocked.append(boxes[best])
        axes.annotate(
            label, point, xytext=offsets[best], textcoords="offset points",
            ha="center", va="center", fontsize=8.5, fontweight="bold", zorder=6,
        )  # fmt: skip


def _around(point: np.ndarray, radius: float) -> np.ndarray:
    return np.concatenate([point - radius, point + radius])


def _cost(box: np.ndarray, blocked: list[np.ndarray], window: np.ndarray) -> float:
    """Area of the box that is already taken or outside the axes, in square points."""
    taken = sum(_overlap(box, other) for other in blocked)
    return taken + (_overlap(box, box) - _overlap(box, window))


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    return float(np.prod(np.maximum(sides, 0)))
