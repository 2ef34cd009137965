"""Whether the cells of preference vectors cover the simplex: split it until every piece lies in one cell."""

import numpy as np

from palm.verification.fault import Fault, shown

WEIGHT_SUM_TOLERANCE = 1e-6
"""How far the sum of a preference vector may be from 1: what the design accepts of a user."""

COUNTEREXAMPLE_SUM_TOLERANCE = 1e-9
"""How far the sum of a counterexample may be from 1."""

SHARED_BOUNDARY = 1e-12
"""A piece thinner than this in one coordinate is a boundary shared by closed cells, not a hole."""


def check_cover(weights, *, epsilon, delta):
    """Check the claim that the cells of preference vectors cover the whole simplex.

    Args:
        weights: shape (k, d), rows on the simplex.
        epsilon: multiplicative tolerance ε' of the cells, in [0, 1).
        delta: additive tolerance δ' of the cells, in [0, 1].

    Raises:
        Fault: they leave a hole; it names a preference in it and the nearest cell.
    """
    hole = find_hole(weights, epsilon=epsilon, delta=delta)
    if hole is None:
        return
    distance = distances(hole, weights, epsilon=epsilon, delta=delta)
    nearest = int(np.argmin(distance))
    raise Fault(
        ("coverage", "covered"),
        f"is claimed, but no cell holds v={shown(hole)}; the nearest cell misses it by {distance[nearest]:.2g}",
        others=[("weights", nearest)],
    )


def check_counterexample(point, weights, *, epsilon, delta):
    """Check the claim that a preference is in no cell.

    Args:
        point: v on the simplex, shape (d,).
        weights: shape (k, d), rows on the simplex.
        epsilon: multiplicative tolerance ε' of the cells, in [0, 1).
        delta: additive tolerance δ' of the cells, in [0, 1].

    Raises:
        Fault: it is in one; it names which.
    """
    holds = np.flatnonzero(distances(point, weights, epsilon=epsilon, delta=delta) <= 0)
    if holds.size:
        raise Fault(
            ("coverage", "counterexample"),
            "is claimed to be in no cell, but is in one",
            others=[("weights", int(holds[0]))],
        )


def distances(point, weights, *, epsilon, delta):
    """Measure how far a preference v is outside each cell: the largest |w_i - v_i| - (ε' v_i + δ').

    Args:
        point: v, shape (d,).
        weights: w, shape (k, d).
        epsilon: multiplicative tolerance ε' of the cells.
        delta: additive tolerance δ' of the cells.

    Returns:
        Array of shape (k,): above 0 outside, at most 0 in the closed cell.

    Source:
        The condition of Lemma 3.2 (arXiv 2604.04144), as written.
    """
    return (np.abs(weights - point) - (epsilon * point + delta)).max(axis=1)


def find_hole(weights, *, epsilon, delta):
    """Search the simplex for a preference that is in no cell.

    Args:
        weights: shape (k, d), rows on the simplex.
        epsilon: multiplicative tolerance ε' of the cells, in [0, 1).
        delta: additive tolerance δ' of the cells, in [0, 1].

    Returns:
        A preference in no cell, shape (d,); None if the cells cover the simplex.

    Source:
        Derived: a cell is the simplex cut with the box [(w - δ') / (1 + ε'), (w + δ') / (1 - ε')]. A piece (a box cut
        with the simplex) that one cell contains is covered, a piece that meets no cell is a hole, any other is
        split in two along a face of a cell; each split uses up a face, so this ends.
    """
    cell_lows, cell_highs = (weights - delta) / (1 + epsilon), (weights + delta) / (1 - epsilon)
    d = weights.shape[1]
    pieces = [(np.zeros(d), np.ones(d), np.arange(len(weights)))]
    while pieces:
        low, high, near = pieces.pop()
        low, high = np.maximum(low, high - (high.sum() - 1)), np.minimum(high, low + (1 - low.sum()))
        if (high - low).min() <= SHARED_BOUNDARY:
            continue
        lows, highs = np.maximum(cell_lows[near], low), np.minimum(cell_highs[near], high)
        meets = _overlaps(lows, highs)
        near, lows, highs = near[meets], lows[meets], highs[meets]
        if not near.size:
            return low + (high - low) * (1 - low.sum()) / (high - low).sum()
        if ((lows == low) & (highs == high)).all(axis=1).any():
            continue
        axis, cut = _face(low, high, lows, highs)
        below, above = high.copy(), low.copy()
        below[axis] = above[axis] = cut
        pieces += [(low, below, near), (above, high, near)]
    return None


def _overlaps(lows, highs):
    """Say which boxes have a cut with the simplex that is more than a shared boundary."""
    thickness = np.minimum((highs - lows).min(axis=1), np.minimum(1 - lows.sum(axis=1), highs.sum(axis=1) - 1))
    return thickness > SHARED_BOUNDARY


def _face(low, high, lows, highs):
    """Pick where to split a piece: at the outermost face of the cell that fills most of it.

    Args:
        low: lower corner of the piece, shape (d,).
        high: upper corner of the piece, shape (d,).
        lows: lower corners of the cells within the piece, shape (k, d).
        highs: upper corners of the cells within the piece, shape (k, d).

    Returns:
        Axis and coordinate of a face that is inside the piece.
    """
    largest = int(np.argmax(((highs - lows) / (high - low)).prod(axis=1)))
    outside = np.concatenate([lows[largest] - low, high - highs[largest]]) / np.tile(high - low, 2)
    face = int(np.argmax(outside))
    axis = face % len(low)
    return axis, (lows if face < len(low) else highs)[largest, axis]
