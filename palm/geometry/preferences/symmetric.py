"""Covers that are symmetric in the objectives: preferences in decreasing order stand for all of them."""

from itertools import combinations_with_replacement, permutations
from math import comb, factorial

import numpy as np
from numpy.typing import ArrayLike

from palm.geometry.arrays import Array, Booleans, Integers
from palm.geometry.preferences.cells import Boxes, cell_boxes
from palm.geometry.preferences.coverage import box_centres, uncovered_boxes

SAME_ENTRY = 1e-12
"""Entries of a preference vector that differ by less count as equal when its orbit is made."""


def ordered_lattice(objectives: int, limit: int, *, epsilon: float, delta: float) -> Array:
    """Make preferences in decreasing order that are spaced as cells are: evenly near 0, geometrically above.

    Returns:
        Shape (m, d): the largest entry is 1 before division by the sum, every other one of L levels, with the
        largest L for which m ≤ ``limit`` (L at least 2).

    Source:
        Derived from the combined grid of arXiv 2604.04144, Figure 2: its cells have equal width in
        log(1 + ε' v / δ').
    """
    count = 2
    while comb(count + objectives - 1, objectives - 1) <= limit:
        count += 1
    line = np.linspace(1, 0, count)
    levels = np.minimum(np.expm1(line * np.log1p(epsilon / delta)) * delta / epsilon, 1) if epsilon > 0 else line
    rows = np.array([(1.0, *rest) for rest in combinations_with_replacement(levels, objectives - 1)])
    return rows / rows.sum(axis=1, keepdims=True)


def orbit(weights: ArrayLike) -> Array:
    """List the different orders of one vector's entries, shape (m, d), in lexicographic order of their ranks."""
    entries = np.sort(np.asarray(weights, dtype=np.float64))
    ranks = np.concatenate([[0], np.cumsum(np.diff(entries) > SAME_ENTRY)])
    kinds = sorted(set(permutations(ranks.tolist())))
    return entries[[np.searchsorted(ranks, kind) for kind in kinds]]


def orbit_sizes(weights: Array) -> Integers:
    """Count the different orders of the entries of each vector, shape (k, d)."""
    equal = np.diff(np.sort(weights, axis=1), axis=1) <= SAME_ENTRY
    repeats = np.ones(len(weights), dtype=np.int64)
    run = np.ones(len(weights), dtype=np.int64)
    for column in equal.T:
        run = np.where(column, run + 1, 1)
        repeats *= run
    return factorial(weights.shape[1]) // repeats


def ordered_holes(weights: Array, *, epsilon: float, delta: float, limit: int) -> Array:
    """Find preferences in decreasing order that no cell of a grid holds, which has every order of its vectors.

    Returns:
        Shape (m, d), m ≤ ``limit``; empty if and only if the cells cover the whole simplex: ``uncovered_boxes``, kept
        to pieces that hold a preference in decreasing order.
    """
    first, second = np.triu_indices(weights.shape[1], 1)

    def holds_ordered(boxes: Boxes) -> Booleans:
        return np.all(boxes.highs[:, first] > boxes.lows[:, second], axis=1)

    holes, count = [np.empty((0, weights.shape[1]))], 0
    for left in uncovered_boxes(cell_boxes(weights, epsilon=epsilon, delta=delta), keep=holds_ordered):
        holes.append(-np.sort(-box_centres(left), axis=1))
        count += len(left.lows)
        if count >= limit:
            break
    return np.concatenate(holes)[:limit]
