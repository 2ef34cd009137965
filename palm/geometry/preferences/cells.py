"""Cells of preference vectors: the preferences that a policy serves by Lemma 3.2."""

from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike

from palm.errors import WeightsError
from palm.geometry.arrays import Array, Booleans
from palm.geometry.preferences.simplex import check_preference_weights


@dataclass(frozen=True, eq=False)
class Boxes:
    """Axis-parallel boxes with lower and upper bounds of shape (k, d)."""

    lows: Array
    highs: Array


def check_accuracy(epsilon: float, delta: float) -> None:
    """Check ε' in [0, 1) and δ' in [0, 1]; WeightsError if one is outside its range."""
    if not isinstance(epsilon, Real) or not 0 <= epsilon < 1:
        raise WeightsError(f"epsilon={epsilon!r}", rule="must be in [0, 1)", remedy="choose one in that range")
    if not isinstance(delta, Real) or not 0 <= delta <= 1:
        raise WeightsError(f"delta={delta!r}", rule="must be in [0, 1]", remedy="choose one in that range")


def check_corners_reachable(delta: float, strategy: str) -> None:
    """Check that δ' is above 0: near a corner only an additive tolerance covers."""
    if delta <= 0:
        raise WeightsError(
            f"delta={delta!r}",
            rule=f"strategy {strategy} needs a delta above 0: near a corner only an additive tolerance covers",
            remedy="choose one such as 0.01",
        )


def cell_boxes(weights: ArrayLike, *, epsilon: float, delta: float) -> Boxes:
    """Make the boxes whose cuts with the simplex are the cells of preference vectors, shape (k, d).

    Returns:
        Lows (w - δ') / (1 + ε') and highs (w + δ') / (1 - ε').

    Source:
        The condition of Lemma 3.2 (arXiv 2604.04144), |w_i - v_i| ≤ ε' v_i + δ', solved for v_i: exact.
    """
    check_accuracy(epsilon, delta)
    centres = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    return Boxes(lows=(centres - delta) / (1 + epsilon), highs=(centres + delta) / (1 - epsilon))


def cell_excess(points: ArrayLike, weights: ArrayLike, *, epsilon: float, delta: float) -> Array:
    """Measure how far points v are outside cells of w: max_i |w_i - v_i| - ε' v_i - δ', at most 0 inside.

    Both have shape (..., d) and are broadcast against each other.
    """
    v = np.asarray(points, dtype=np.float64)
    return (np.abs(np.asarray(weights, dtype=np.float64) - v) - epsilon * v).max(axis=-1) - delta


def in_cell(points: ArrayLike, weights: ArrayLike, *, epsilon: float, delta: float) -> Booleans:
    """Say which points v, shape (..., d), lie in the closed cells of which w; both are broadcast.

    Source:
        The condition of Lemma 3.2 (arXiv 2604.04144), evaluated as written, without a tolerance.
    """
    check_accuracy(epsilon, delta)
    return cell_excess(points, weights, epsilon=epsilon, delta=delta) <= 0


def cell_polygon(weights: ArrayLike, *, epsilon: float, delta: float) -> Array:
    """Compute the corners of one cell on the triangle of three objectives.

    Returns:
        The corners in order around the cell, shape (m, 3), each on the simplex.

    Source:
        Exact clipping of the triangle by the box's six half-planes (Sutherland and Hodgman, 1974).
    """
    centre = check_preference_weights(weights, 3)
    box = cell_boxes(centre, epsilon=epsilon, delta=delta)
    corners = np.eye(3)
    for axis in range(3):
        corners = _clip(corners, corners[:, axis] - box.lows[0, axis])
        corners = _clip(corners, box.highs[0, axis] - corners[:, axis])
    return corners


def _clip(corners: Array, inside: Array) -> Array:
    """Keep the part of a convex polygon where an affine function, given at the corners, is >= 0."""
    kept = []
    for here in range(len(corners)):
        after = (here + 1) % len(corners)
        if inside[here] >= 0:
            kept.append(corners[here])
        if inside[here] * inside[after] < 0:
            share = inside[here] / (inside[here] - inside[after])
            kept.append(corners[here] + share * (corners[after] - corners[here]))
    return np.array(kept).reshape(-1, corners.shape[1])
