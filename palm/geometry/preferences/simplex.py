"""Points of the simplex: checking preference weights, lattices, spread points."""

from collections.abc import Iterable
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike

from palm.errors import WeightsError
from palm.geometry.arrays import Array

MIN_OBJECTIVES = 2
MAX_OBJECTIVES = 8
SUM_TOLERANCE = 1e-6
"""Largest difference from 1 of the sum of given preference weights."""
POOL_POINTS_PER_PICK = 20
"""Spread points are picked from a lattice with at least this many points for each pick."""
MAX_SIZE = 10_000
"""Most preference vectors that a grid may have; beyond it the exact check takes minutes."""


def check_objectives(objectives: int) -> int:
    """Check that a number of objectives is an integer from 2 to 8, and give it as an int."""
    remedy = "merge related reward functions or drop some"
    return _checked_integer("objectives", objectives, MIN_OBJECTIVES, MAX_OBJECTIVES, remedy)


def check_size(size: int) -> int:
    """Check that a number of preference vectors is an integer from 1 to ``MAX_SIZE``, and give it as an int."""
    return _checked_integer("size", size, 1, MAX_SIZE, "say how many preference vectors are wanted")


def _checked_integer(name: str, value: int, least: int, most: int, remedy: str) -> int:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        raise WeightsError(f"{name}={value!r}", rule=f"must be an integer from {least} to {most}", remedy=remedy)
    return int(value)


def check_preference_weights(weights: ArrayLike, objectives: int | None = None) -> Array:
    """Check that one preference vector is a point of the simplex.

    Args:
        weights: d numbers, non-negative, summing to 1 within 1e-6.
        objectives: the length they must have, if known.

    Raises:
        WeightsError: wrong length, not numbers, not finite, negative, or another sum.
    """
    try:
        array = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        raise WeightsError(
            f"weights={weights!r}", rule="must be numbers", remedy="give one number per objective"
        ) from None
    shown = f"weights={array.tolist()}"
    if array.ndim != 1 or array.size < MIN_OBJECTIVES:
        raise WeightsError(
            shown, rule="must be a flat list of at least 2 numbers", remedy="give one number per objective"
        )
    if objectives is not None and array.size != objectives:
        raise WeightsError(
            shown,
            rule=f"must have {objectives} numbers, has {array.size}",
            remedy="give one number per objective, in the order of the rewards",
        )
    if not np.isfinite(array).all():
        raise WeightsError(shown, rule="must be finite", remedy="replace NaN and infinite entries")
    if (array < 0).any():
        raise WeightsError(shown, rule="must not be negative", remedy="use 0 for an objective that does not count")
    total = array.sum()
    if abs(total - 1) > SUM_TOLERANCE:
        raise WeightsError(shown, rule=f"must sum to 1, sums to {total:.9g}", remedy="divide each by the sum")
    return array


def check_weight_rows(weights: Iterable[ArrayLike], objectives: int | None = None) -> Array:
    """Check several preference vectors at once, as ``check_preference_weights``: shape (k, d), k at least 1."""
    rows = list(weights)
    if not rows:
        raise WeightsError("weights=[]", rule="must hold at least one vector", remedy="give the grid's vectors")
    length = objectives if objectives is not None else np.size(rows[0])
    return np.stack([check_preference_weights(row, length) for row in rows])


def lattice_size(objectives: int, divisions: int) -> int:
    """Count the points of a simplex lattice: compositions of H into d parts."""
    return comb(divisions + objectives - 1, objectives - 1)


def divisions_for(objectives: int, points: int) -> int:
    """Find the smallest H of a simplex lattice with at least so many points."""
    divisions = 1
    while lattice_size(objectives, divisions) < points:
        divisions += 1
    return divisions


def lattice(objectives: int, divisions: int) -> Array:
    """Make the simplex lattice: every integer composition of H into d parts, divided by H.

    Returns:
        Shape (C(H + d - 1, d - 1), d), rows in lexicographic order.

    Source:
        Das and Dennis (1998), by stars and bars.
    """
    d = check_objectives(objectives)
    if not isinstance(divisions, (int, np.integer)) or divisions < 1:
        raise WeightsError(
            f"divisions={divisions!r}", rule="must be an integer of at least 1", remedy="choose a larger one"
        )
    count = lattice_size(d, divisions)
    bars = np.fromiter(
        (bar for chosen in combinations(range(divisions + d - 1), d - 1) for bar in chosen),
        dtype=np.int64,
        count=count * (d - 1),
    ).reshape(count, d - 1)
    edges = np.hstack([np.full((count, 1), -1), bars, np.full((count, 1), divisions + d - 1)])
    return (np.diff(edges, axis=1) - 1) / divisions


def finest_lattice(objectives: int, limit: int) -> Array:
    """Make the finest simplex lattice that has at most ``limit`` points (H at least 1)."""
    return lattice(objectives, max(1, divisions_for(objectives, limit + 1) - 1))


def spread_points(objectives: int, size: int) -> Array:
    """Pick well spread points of the simplex, shape (size, d), the same ones every time.

    The centroid comes first; each next point is the one of a fine lattice that is farthest (Euclidean)
    from those picked, the first in lexicographic order on a tie.

    Source:
        Gonzalez (1985), farthest-point traversal: the largest distance from a lattice point to the
        nearest pick is at most twice the best possible.
    """
    d = check_objectives(objectives)
    count = check_size(size)
    pool = lattice(d, divisions_for(d, POOL_POINTS_PER_PICK * count))
    picked = np.empty((count, d))
    picked[0] = 1 / d
    distance = np.full(len(pool), np.inf)
    for number in range(1, count):
        distance = np.minimum(distance, ((pool - picked[number - 1]) ** 2).sum(axis=1))
        picked[number] = pool[np.argmax(distance)]
    return picked
