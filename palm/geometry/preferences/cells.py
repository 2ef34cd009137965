"""The cell of a preference vector: the preferences that its policy serves by Lemma 3.2."""

from dataclasses import dataclass
from numbers import Real

import numpy as np

from palm.errors import WeightsError
from palm.geometry.preferences.simplex import check_preference_weights


@dataclass(frozen=True, eq=False)
class Boxes:
    """Axis-parallel boxes.

    Attributes:
        lows: lower bounds, shape (k, d).
        highs: upper bounds, shape (k, d).
    """

    lows: np.ndarray
    highs: np.ndarray


def check_accuracy(epsilon, delta):
    """Check the ε and δ of cells.

    Args:
        epsilon: multiplicative tolerance, in [0, 1).
        delta: additive tolerance, in [0, 1].

    Raises:
        WeightsError: one of them is outside its range.
    """
    if not isinstance(epsilon, Real) or not 0 <= epsilon < 1:
        raise WeightsError(f"epsilon={epsilon!r}", rule="must be in [0, 1)", remedy="choose one in that range")
    if not isinstance(delta, Real) or not 0 <= delta <= 1:
        raise WeightsError(f"delta={delta!r}", rule="must be in [0, 1]", remedy="choose one in that range")


def check_corners_reachable(delta, strategy):
    """Check that cells can cover a corner's surroundings, where only an additive tolerance helps.

    Args:
        delta: additive tolerance δ'.
        strategy: name of the strategy that needs one above 0.

    Raises:
        WeightsError: δ' is 0.
    """
    if delta <= 0:
        raise WeightsError(
            f"delta={delta!r}",
            rule=f"strategy {strategy} needs a delta above 0: near a corner only an additive tolerance covers",
            remedy="choose one such as 0.01",
        )


def cell_boxes(weights, *, epsilon, delta):
    """Make the boxes whose cuts with the simplex are the cells of preference vectors.

    Args:
        weights: shape (k, d), rows on the simplex.
        epsilon: multiplicative tolerance ε', in [0, 1).
        delta: additive tolerance δ', in [0, 1].

    Returns:
        Boxes with lows (w - δ') / (1 + ε') and highs (w + δ') / (1 - ε').

    Source:
        The condition of Lemma 3.2 (arXiv 2604.04144), |w_i - v_i| ≤ ε' v_i + δ', solved for v_i: exact.
    """
    check_accuracy(epsilon, delta)
    centres = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    return Boxes(lows=(centres - delta) / (1 + epsilon), highs=(centres + delta) / (1 - epsilon))


def cell_excess(points, weights, *, epsilon, delta):
    """Measure how far points are outside cells: max_i |w_i - v_i| - ε' v_i - δ'.

    Args:
        points: v, shape (..., d).
        weights: w, shape (..., d), broadcast against the points.
        epsilon: multiplicative tolerance ε', in [0, 1).
        delta: additive tolerance δ', in [0, 1].

    Returns:
        Array of the broadcast shape without its last axis; at most 0 inside the closed cell.
    """
    v = np.asarray(points, dtype=np.float64)
    return (np.abs(np.asarray(weights, dtype=np.float64) - v) - epsilon * v).max(axis=-1) - delta


def in_cell(points, weights, *, epsilon, delta):
    """Say which points lie in the (closed) cells of which preference vectors.

    Args:
        points: v, shape (..., d), on the simplex.
        weights: w, shape (..., d), broadcast against the points.
        epsilon: multiplicative tolerance ε', in [0, 1).
        delta: additive tolerance δ', in [0, 1].

    Returns:
        Boolean array of the broadcast shape without its last axis.

    Raises:
        WeightsError: ε' or δ' is outside its range.

    Source:
        The condition of Lemma 3.2 (arXiv 2604.04144), evaluated as written, without a tolerance.
    """
    check_accuracy(epsilon, delta)
    return cell_excess(points, weights, epsilon=epsilon, delta=delta) <= 0


def cell_polygon(weights, *, epsilon, delta):
    """Compute the corners of one cell on the triangle of three objectives.

    Args:
        weights: one preference vector, shape (3,).
        epsilon: multiplicative tolerance ε', in [0, 1).
        delta: additive tolerance δ', in [0, 1].

    Returns:
        Array of shape (m, 3): the corners in order around the cell, each on the simplex.

    Raises:
        WeightsError: not three weights, or ε' or δ' outside its range.

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


def _clip(corners, inside):
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
