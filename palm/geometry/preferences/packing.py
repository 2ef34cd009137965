"""Packings: proven lower bounds on the size of any cover, from preferences of which no vector can serve many."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import ArrayLike

from palm.geometry.arrays import Array, Booleans
from palm.geometry.preferences.cells import check_accuracy
from palm.geometry.preferences.simplex import check_objectives, finest_lattice

CANDIDATES = 2000
"""Size of the lattice that the packing is picked from."""
GAP_TOLERANCE = 1e-9
"""Two preferences count as incompatible only when the gap between their boxes exceeds this."""
TOTAL_TOLERANCE = 1e-6
"""A packing's total weight counts as a whole number when it exceeds one by no more than this."""


@dataclass(frozen=True, eq=False)
class Packing:
    """Weighted preferences such that no vector w serves a total weight above 1.

    Attributes:
        points: preferences v, shape (m, d).
        weights: of each, shape (m,), in [0, 1]; all 1 where no vector serves two of them.
    """

    points: Array
    weights: Array

    @property
    def bound(self) -> int:
        """The size that every cover has at least: its vectors serve the total weight, each at most 1 of it."""
        return max(1, ceil(float(self.weights.sum()) - TOTAL_TOLERANCE))


def reach(preferences: ArrayLike, *, epsilon: float, delta: float) -> tuple[Array, Array]:
    """Bound the vectors that serve preferences v, shape (k, d), by lower and upper corners, widened by 1e-9.

    Source:
        |w_i - v_i| ≤ ε' v_i + δ' (Lemma 3.2 of arXiv 2604.04144), a box in w.
    """
    v = np.asarray(preferences, dtype=np.float64)
    return v * (1 - epsilon) - delta - GAP_TOLERANCE, v * (1 + epsilon) + delta + GAP_TOLERANCE


def incompatible(first: Array, second: Array, *, epsilon: float, delta: float) -> Booleans:
    """Say for which pairs of preferences, shape (..., d), no vector w can have both in its cell.

    Returns:
        True is proven: the boxes [v(1 - ε') - δ', v(1 + ε') + δ'] of the two have an intersection that
        misses the simplex by more than 1e-9.

    Source:
        Derived: w has v in its cell iff |w_i - v_i| ≤ ε' v_i + δ' (Lemma 3.2 of arXiv 2604.04144), a box in w.
    """
    lows = np.maximum(np.maximum(first, second) * (1 - epsilon) - delta, 0)
    highs = np.minimum(first, second) * (1 + epsilon) + delta
    empty = (lows - highs).max(axis=-1) > GAP_TOLERANCE
    return empty | (lows.sum(axis=-1) > 1 + GAP_TOLERANCE) | (highs.sum(axis=-1) < 1 - GAP_TOLERANCE)


def pack_preferences(objectives: int, *, epsilon: float, delta: float) -> Packing:
    """Pick pairwise incompatible preferences from a lattice: each time the one that rules out the fewest others."""
    d = check_objectives(objectives)
    check_accuracy(epsilon, delta)
    points = finest_lattice(d, CANDIDATES)
    clash = np.stack([~incompatible(point, points, epsilon=epsilon, delta=delta) for point in points])
    degrees = clash.sum(axis=1)
    alive = np.ones(len(points), dtype=bool)
    picked: list[int] = []
    while alive.any():
        best = int(np.argmin(np.where(alive, degrees, len(points) + 1)))
        picked.append(best)
        removed = alive & clash[best]
        alive &= ~removed
        degrees -= clash[:, removed].sum(axis=1)
    return Packing(points=points[picked], weights=np.ones(len(picked)))
