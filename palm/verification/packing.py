"""Packings, which prove that a cover needs a number of vectors: no vector serves two of them, or a weight above 1."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from palm.verification.fault import Array, Fault, shown

SAFE_MARGIN = 1e-10
"""A vector counts as serving also what it would serve only with a δ' that is larger by this: the safe side."""
THIN = 1e-12
"""A piece thinner than this in one coordinate is skipped: what is served there is served next to it, by the margin."""
LOAD_TOLERANCE = 1e-9
"""Excess over 1 allowed for the total that one vector serves; the lower bound is divided by as much."""


def check_packing(points: Sequence[Sequence[float]], *, epsilon: float, delta: float) -> None:
    """Check that no preference vector can serve two of some preferences, so that every cover has as many vectors.

    Raises:
        Fault: two of them can be served by one vector; it names both and the vector.

    Source:
        Derived: w serves v iff |w_i - v_i| ≤ ε' v_i + δ' for every i (Lemma 3.2 of arXiv 2604.04144), which is a box in
        w. One w on the simplex serves two preferences iff their boxes have a common box whose lower bounds sum to
        at most 1 and whose upper bounds sum to at least 1. Floats are binary fractions, so no step rounds.
    """
    unit, boxes = _serving_boxes(points, Fraction(epsilon), Fraction(delta) + Fraction(SAFE_MARGIN))
    for (first, (lows, highs)), (second, (other_lows, other_highs)) in combinations(enumerate(boxes), 2):
        low = [max(pair) for pair in zip(lows, other_lows, strict=True)]
        high = [min(pair) for pair in zip(highs, other_highs, strict=True)]
        empty = any(bottom > top for bottom, top in zip(low, high, strict=True))
        if empty or sum(low) > unit or sum(high) < unit:
            continue
        raise Fault(
            ("packing", second),
            f"must not be served by a vector that serves another, but w={shown(_between(low, high, unit))} serves both",
            others=[("packing", first)],
        )


def _serving_boxes(
    points: Sequence[Sequence[float]], epsilon: Fraction, delta: Fraction
) -> tuple[int, list[tuple[list[int], list[int]]]]:
    """Compute the integer that stands for 1, and for each preference the bounds of the w that serve it."""
    boxes = []
    for point in points:
        exact = [Fraction(number) for number in point]
        lows = [max(number * (1 - epsilon) - delta, Fraction(0)) for number in exact]
        boxes.append((lows, [number * (1 + epsilon) + delta for number in exact]))
    # Denominators of floats are powers of 2: the largest is a multiple of all.
    unit = max(bound.denominator for box in boxes for bounds in box for bound in bounds)
    return unit, [
        ([int(bound * unit) for bound in lows], [int(bound * unit) for bound in highs]) for lows, highs in boxes
    ]


def _between(low: list[int], high: list[int], unit: int) -> list[float]:
    """Find the vector on the simplex between two corners of a box, as floats."""
    width = sum(high) - sum(low)
    share = Fraction(unit - sum(low), width) if width else Fraction(0)
    return [float((bottom + share * (top - bottom)) / Fraction(unit)) for bottom, top in zip(low, high, strict=True)]


def check_loads(points: Array, shares: Array, *, epsilon: float, delta: float) -> None:
    """Check that no preference vector serves preferences, shape (m, d), of a total weight above 1.

    Raises:
        Fault: a vector w does; it names w and the heaviest preference that it serves.

    Source:
        Derived: in a piece (a box cut with the simplex) no w serves more than the total of the boxes that meet it; the
        vectors are split until every piece is clear. If points and weights stay the same when objectives change places,
        it suffices to look at decreasing w.
    """
    slack = delta + SAFE_MARGIN
    box_lows, box_highs = points * (1 - epsilon) - slack, points * (1 + epsilon) + slack
    decreasing = _is_symmetric(points, shares)
    d = points.shape[1]
    pieces = [(np.zeros(d), np.ones(d), np.arange(len(points)))]
    while pieces:
        low, high, near = pieces.pop()
        low, high = np.maximum(low, high - (high.sum() - 1)), np.minimum(high, low + (1 - low.sum()))
        if decreasing:
            low, high = np.maximum.accumulate(low[::-1])[::-1], np.minimum.accumulate(high)
        if (high - low).min() <= THIN:
            continue
        lows, highs = np.maximum(box_lows[near], low), np.minimum(box_highs[near], high)
        thickness = np.minimum((highs - lows).min(axis=1), np.minimum(1 - lows.sum(axis=1), highs.sum(axis=1) - 1))
        meets = thickness > THIN
        near, lows, highs = near[meets], lows[meets], highs[meets]
        if shares[near].sum() <= 1 + LOAD_TOLERANCE:
            continue
        faces = np.concatenate([lows - low, highs - low], axis=1) / np.tile(high - low, 2)
        inside = np.minimum(faces, 1 - faces)
        if inside.max() <= 0:
            _refuse(low + (high - low) * (1 - low.sum()) / (high - low).sum(), near, shares)
        row, face = np.unravel_index(np.argmax(inside), inside.shape)
        below, above = high.copy(), low.copy()
        below[face % d] = above[face % d] = (lows if face < d else highs)[row, face % d]
        pieces += [(low, below, near), (above, high, near)]


def _is_symmetric(points: Array, shares: Array) -> bool:
    """Say whether points and weights stay the same, as a set, when any two objectives change places."""

    def listed(rows: Array) -> list[tuple[float, ...]]:
        return sorted(map(tuple, np.column_stack([rows, shares]).tolist()))

    def exchanged(axis: int) -> Array:
        order = np.arange(points.shape[1])
        order[[axis, axis + 1]] = axis + 1, axis
        return points[:, order]

    # Exchanges of neighbours make every order.
    return all(listed(exchanged(axis)) == listed(points) for axis in range(points.shape[1] - 1))


def _refuse(vector: Array, served: NDArray[np.int_], shares: Array) -> None:
    heaviest = int(served[np.argmax(shares[served])])
    raise Fault(
        ("packing_weights",),
        f"must total at most 1 over what any vector serves, but w={shown(vector)} serves {shares[served].sum():.9g}",
        others=[("packing", heaviest)],
    )
