"""Weighted packings: the best lower bound on the size of a cover, from the dual of the set cover."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, permutations
from math import ceil

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack

from palm.geometry.arrays import Array, Integers
from palm.geometry.preferences.packing import TOTAL_TOLERANCE, Packing, reach
from palm.geometry.preferences.symmetric import orbit, orbit_sizes, ordered_lattice
from palm.geometry.preferences.time_budget import SecondsLeft

MAX_OBJECTIVES = 5
"""Above this d an orbit has too many members for the program to pay."""
LATTICE = 800
"""Size of the ordered lattice of preferences to weigh, which are also the first vectors not to be overloaded."""
OVERLOADS_PER_ROUND = 400
"""Most overloaded vectors added after each linear program."""
WEIGHT_TOLERANCE = 1e-9
"""Smaller weights are dropped; loads that exceed another by less count as equal."""
THIN = 1e-12
"""A piece thinner than this in one coordinate is dropped: reaches were widened by far more."""
MAX_PIECES = 300_000
"""The search for the largest load stops after this many pieces: the packing then proves nothing."""


def weighted_packing(
    objectives: int, *, epsilon: float, delta: float, rounds: int, seconds_left: SecondsLeft
) -> Packing:
    """Weigh preferences so that no vector serves more than a total of 1: the total is a lower bound.

    For d of 3 to 5 and δ' above 0. Each round, at least 1, solves a linear program and proves a bound.

    Returns:
        The packing of the largest bound, symmetric in the objectives. The same every time, if time did not run out.

    Source:
        Derived: linear programming duality. Of any cover, the vectors serve every listed preference, and each
        serves a total of at most 1, so there are at least as many vectors as the total. Vectors between those
        listed that are overloaded are found by branch and bound and join the list; the overload that is left in
        the end is removed by dividing all weights by the largest load.
    """
    preferences = ordered_lattice(objectives, LATTICE, epsilon=epsilon, delta=delta)
    sizes = orbit_sizes(preferences)
    loads = _loads(preferences, preferences, sizes, epsilon, delta)
    best = Packing(points=preferences[:1], weights=np.ones(1))
    for _ in range(rounds):
        # The weight of each orbit's members so that the total is largest and no load exceeds 1; None on failure.
        limits = np.ones(loads.shape[0])
        weights = linprog(-sizes, A_ub=loads, b_ub=limits, bounds=(0, 1), method="highs").x
        if weights is None:
            break
        kept = weights > WEIGHT_TOLERANCE
        points = np.concatenate([orbit(point) for point in preferences[kept]])
        shares = np.repeat(weights[kept], sizes[kept])
        worst = overloads(points, shares, epsilon=epsilon, delta=delta)
        found = Packing(points=points, weights=shares / worst.load)
        best = max(best, found, key=lambda packing: packing.weights.sum())
        if best.bound >= ceil(shares.sum() - TOTAL_TOLERANCE) or not len(worst.vectors) or seconds_left() <= 0:
            break
        loads = vstack([loads, _loads(worst.vectors, preferences, sizes, epsilon, delta)])
    return best


def _loads(vectors: Array, preferences: Array, sizes: Integers, epsilon: float, delta: float) -> csr_array:
    """Count how many members of each preference's orbit each vector serves, shape (m, n)."""
    lows, highs = reach(preferences, epsilon=epsilon, delta=delta)
    counts = np.zeros((len(vectors), len(preferences)))
    orders = [list(order) for order in permutations(range(preferences.shape[1]))]
    for order in orders:
        served = np.ones(counts.shape, dtype=bool)
        for axis, entry in enumerate(order):
            served &= (lows[:, entry] <= vectors[:, axis, None]) & (vectors[:, axis, None] <= highs[:, entry])
        counts += served
    return csr_array(counts * (sizes / len(orders)))


@dataclass(frozen=True, eq=False)
class Overloads:
    """Vectors that serve preferences of a total weight above 1.

    Attributes:
        load: the largest total, at least 1, rounded up by 1e-9; infinite if there were too many pieces to find it.
        vectors: overloaded vectors in decreasing order, shape (k, d): the largest and those at least half as bad.
    """

    load: float
    vectors: Array


def overloads(points: Array, weights: Array, *, epsilon: float, delta: float) -> Overloads:
    """Find the largest total weight that one vector serves, and at most 400 vectors that serve much of it.

    The points, shape (m, d), are symmetric in the objectives.
    """
    load, found = 1.0, list[Array | None]()
    for total, vector in _heavy_pieces(points, weights, floor=1.0, rising=True, epsilon=epsilon, delta=delta):
        load = total
        found.append(vector)
    if 1 < load < np.inf:
        half = (1 + load) / 2
        pieces = _heavy_pieces(points, weights, floor=half, rising=False, epsilon=epsilon, delta=delta)
        found += [vector for _, vector in islice(pieces, OVERLOADS_PER_ROUND)]
    vectors = [-np.sort(-vector) for vector in found if vector is not None]
    return Overloads(load=load + WEIGHT_TOLERANCE, vectors=np.array(vectors).reshape(-1, points.shape[1]))


def _heavy_pieces(
    points: Array, weights: Array, *, floor: float, rising: bool, epsilon: float, delta: float
) -> Iterator[tuple[float, Array | None]]:
    """Split the vectors in decreasing order until all in a piece serve the same preferences.

    Yields:
        Total weight served and a vector, for each piece with a total above ``floor``, which each one raises to its
        own if ``rising``. When there are too many pieces, an infinite total and None.
    """
    d, pieces = points.shape[1], 0
    lows, highs = reach(points, epsilon=epsilon, delta=delta)
    stack = [(np.zeros(d), np.ones(d), np.arange(len(points)))]
    while stack:
        pieces += 1
        if pieces > MAX_PIECES:
            yield np.inf, None
            return
        low, high, served = stack.pop()
        low, high = _tightened(low, high)
        inner_low, inner_high = np.maximum(low, lows[served]), np.minimum(high, highs[served])
        meets = (inner_high - inner_low > THIN).all(axis=1)
        meets &= (inner_low.sum(axis=1) < 1 - THIN) & (inner_high.sum(axis=1) > 1 + THIN)
        served = served[meets]
        if (high - low <= THIN).any() or weights[served].sum() <= floor + WEIGHT_TOLERANCE:
            continue
        partly = served[~((lows[served] <= low) & (high <= highs[served])).all(axis=1)]
        total = weights[served].sum() - weights[partly].sum()
        if total > floor + WEIGHT_TOLERANCE:
            yield float(total), low + (1 - low.sum()) / (high - low).sum() * (high - low)
            if not rising:
                continue
            floor = total
        if len(partly):
            axis, face = _most_central_face(low, high, lows[partly], highs[partly])
            left, right = high.copy(), low.copy()
            left[axis] = right[axis] = face
            stack += [(low, left, served), (right, high, served)]


def _tightened(low: Array, high: Array) -> tuple[Array, Array]:
    """Shrink a box to its vectors that sum to 1 and are in decreasing order."""
    low, high = np.maximum(low, high - (high.sum() - 1)), np.minimum(high, low + (1 - low.sum()))
    return np.maximum.accumulate(low[::-1])[::-1], np.minimum.accumulate(high)


def _most_central_face(low: Array, high: Array, lows: Array, highs: Array) -> tuple[int, float]:
    """Choose the face that cuts a box most evenly: its axis and where."""
    faces = np.concatenate([lows, highs])
    margins = np.minimum(faces - low, high - faces)
    face, axis = np.unravel_index(np.argmax(margins), margins.shape)
    return int(axis), float(faces[face, axis])
