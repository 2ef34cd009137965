"""A proven lower bound on the size of any cover: preferences of which no vector can serve two."""

import numpy as np

from palm.preferences.cells import check_accuracy
from palm.preferences.simplex import check_objectives, finest_lattice

CANDIDATES = 2000
"""Size of the lattice that the packing is picked from."""

GAP_TOLERANCE = 1e-9
"""Two preferences count as incompatible only when the gap between their boxes exceeds this."""


def incompatible(first, second, *, epsilon, delta):
    """Say for which pairs of preferences no vector w can have both in its cell.

    Args:
        first: v, shape (..., d), on the simplex.
        second: v', shape (..., d), broadcast against ``first``.
        epsilon: multiplicative tolerance ε' of the cells, in [0, 1).
        delta: additive tolerance δ' of the cells, in [0, 1].

    Returns:
        Boolean array. True is proven: the boxes [v(1 - ε') - δ', v(1 + ε') + δ'] of the two have an
        intersection that misses the simplex by more than 1e-9.

    Source:
        Derived: w has v in its cell iff |w_i - v_i| ≤ ε' v_i + δ' (Lemma 3.2 of arXiv 2604.04144), a box in w.
    """
    lows = np.maximum(np.maximum(first, second) * (1 - epsilon) - delta, 0)
    highs = np.minimum(first, second) * (1 + epsilon) + delta
    empty = (lows - highs).max(axis=-1) > GAP_TOLERANCE
    return empty | (lows.sum(axis=-1) > 1 + GAP_TOLERANCE) | (highs.sum(axis=-1) < 1 - GAP_TOLERANCE)


def pack_preferences(objectives, *, epsilon, delta):
    """Pick pairwise incompatible preferences from a lattice, greedily.

    Args:
        objectives: d, 2 to 8.
        epsilon: multiplicative tolerance ε' of the cells, in [0, 1).
        delta: additive tolerance δ' of the cells, in [0, 1].

    Returns:
        Array of shape (m, d). At each step the candidate that rules out the fewest others is taken.

    Raises:
        WeightsError: an argument is out of range.
    """
    d = check_objectives(objectives)
    check_accuracy(epsilon, delta)
    points = finest_lattice(d, CANDIDATES)
    clash = np.stack([~incompatible(point, points, epsilon=epsilon, delta=delta) for point in points])
    degrees = clash.sum(axis=1)
    alive = np.ones(len(points), dtype=bool)
    picked = []
    while alive.any():
        best = int(np.argmin(np.where(alive, degrees, len(points) + 1)))
        picked.append(best)
        removed = alive & clash[best]
        alive &= ~removed
        degrees -= clash[:, removed].sum(axis=1)
    return points[picked]


def cover_lower_bound(objectives, *, epsilon, delta):
    """Bound from below the number of preference vectors that any cover needs.

    Args:
        objectives: d, 2 to 8.
        epsilon: multiplicative tolerance ε' of the cells, in [0, 1).
        delta: additive tolerance δ' of the cells, in [0, 1].

    Returns:
        The size of a packing: proven, not necessarily the best bound.

    Raises:
        WeightsError: an argument is out of range.

    Source:
        A vector serves at most one preference of a packing, so a cover is at least as large.
    """
    return len(pack_preferences(objectives, epsilon=epsilon, delta=delta))
