"""Covers: the claims of a certificate, and the search for a hole by splitting the simplex."""

import math

import numpy as np

from palm.verification.fault import Array, Fault, Verified, check_row, check_rows, shown
from palm.verification.packing import LOAD_TOLERANCE, check_loads, check_packing
from palm.verification.schema import CoverFile

WEIGHT_SUM_TOLERANCE = 1e-6
"""Largest difference from 1 of the sum of a preference vector: the design accepts as much from a user."""
COUNTEREXAMPLE_SUM_TOLERANCE = 1e-9
"""Largest difference from 1 of the sum of a counterexample."""
PACKING_SUM_TOLERANCE = 1e-12
"""Largest difference from 1 of the sum of a preference of a packing; far below ``packing.SAFE_MARGIN``."""
SHARED_BOUNDARY = 1e-12
"""A piece thinner than this in one coordinate is a boundary shared by closed cells, not a hole."""


def verify_cover(claim: CoverFile) -> Verified:
    """Check that the cells cover the simplex, or leave the hole that is claimed, and that no fewer could do."""
    d, epsilon, delta = claim.objectives, claim.epsilon, claim.delta
    cells = f"preference weights of {d} objectives (ε'={epsilon:g}, δ'={delta:g})"
    weights = check_rows(claim.weights, d, place=("weights",), tolerance=WEIGHT_SUM_TOLERANCE)
    if claim.size != len(weights):
        raise Fault(("size",), f"claims {claim.size}, but the file holds {len(weights)} vectors")
    not_proved = []
    point = _counterexample(claim)
    if point is None:
        check_cover(weights, epsilon=epsilon, delta=delta)
        proved = [f"{claim.size} cells cover all {cells}, up to slivers thinner than {SHARED_BOUNDARY:.0e}"]
    else:
        check_counterexample(point, weights, epsilon=epsilon, delta=delta)
        proved = [f"{claim.size} cells do NOT cover all {cells}: none holds {shown(point)}"]
        not_proved = [f"that {claim.coverage.uncovered_fraction:.6g} of the simplex is uncovered"]
    if claim.lower_bound is not None or claim.packing is not None:
        proved.append(_lower_bound(claim))
    return Verified(certificate=claim.certificate, proved=tuple(proved), not_proved=tuple(not_proved))


def _counterexample(claim: CoverFile) -> Array | None:
    """Give the preference that no cell is claimed to hold; a file that claims a cover must not name one."""
    coverage, place = claim.coverage, ("coverage", "counterexample")
    if not coverage.covered:
        if coverage.counterexample is None:
            raise Fault(place, "must be a preference that no cell holds where covered is false")
        return check_row(coverage.counterexample, claim.objectives, place=place, tolerance=COUNTEREXAMPLE_SUM_TOLERANCE)
    if coverage.uncovered_fraction != 0:
        raise Fault(("coverage", "uncovered_fraction"), "must be 0 where everything is covered")
    if coverage.counterexample is not None:
        raise Fault(place, "must be null where everything is covered")
    return None


def _lower_bound(claim: CoverFile) -> str:
    """Check the packing, and that its total weight is above the claimed bound less 1; give the sentence it proves."""
    bound, packing = claim.lower_bound, claim.packing
    if packing is None:
        raise Fault(("lower_bound",), f"claims {bound}, but the file holds no packing that proves it")
    if bound is None:
        raise Fault(("packing",), "proves a lower bound, but the file claims none")
    points = check_rows(packing, claim.objectives, place=("packing",), tolerance=PACKING_SUM_TOLERANCE)
    shares = np.ones(len(points)) if claim.packing_weights is None else np.array(claim.packing_weights)
    if len(shares) != len(points):
        raise Fault(("packing_weights",), f"must be {len(points)} numbers, one for each preference, are {len(shares)}")
    total = math.fsum(shares)
    # Some vector is always needed, even if the weights prove nothing.
    if bound > 1 and bound - 1 >= total / (1 + LOAD_TOLERANCE):
        raise Fault(("lower_bound",), f"claims {bound}, but the packing has a total weight of {total:.9g}")
    kind = "packing"
    if (shares == 1).all():
        check_packing(packing, epsilon=claim.epsilon, delta=claim.delta)
    else:
        check_loads(points, shares, epsilon=claim.epsilon, delta=claim.delta)
        kind = "weighted packing"
    return f"no cover has fewer than {bound} vectors ({kind} of {len(packing)})"


def check_cover(weights: Array, *, epsilon: float, delta: float) -> None:
    """Check that the cells of preference vectors, shape (k, d), cover the whole simplex.

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


def check_counterexample(point: Array, weights: Array, *, epsilon: float, delta: float) -> None:
    """Check that a preference v, shape (d,), is in no cell; a Fault names the cell that holds it."""
    holds = np.flatnonzero(distances(point, weights, epsilon=epsilon, delta=delta) <= 0)
    if holds.size:
        raise Fault(
            ("coverage", "counterexample"),
            "is claimed to be in no cell, but is in one",
            others=[("weights", int(holds[0]))],
        )


def distances(point: Array, weights: Array, *, epsilon: float, delta: float) -> Array:
    """Measure how far a preference v is outside each cell, shape (k,): the largest |w_i - v_i| - (ε' v_i + δ').

    Source:
        The condition of Lemma 3.2 (arXiv 2604.04144), as written: at most 0 in the closed cell.
    """
    return (np.abs(weights - point) - (epsilon * point + delta)).max(axis=1)


def find_hole(weights: Array, *, epsilon: float, delta: float) -> Array | None:
    """Search the simplex for a preference that is in no cell of some vectors, shape (k, d); None if they cover.

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
        thickness = np.minimum((highs - lows).min(axis=1), np.minimum(1 - lows.sum(axis=1), highs.sum(axis=1) - 1))
        meets = thickness > SHARED_BOUNDARY
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


def _face(low: Array, high: Array, lows: Array, highs: Array) -> tuple[int, float]:
    """Pick where to split a piece, as axis and coordinate: the outermost face of the cell that fills most of it."""
    largest = int(np.argmax(((highs - lows) / (high - low)).prod(axis=1)))
    outside = np.concatenate([lows[largest] - low, high - highs[largest]]) / np.tile(high - low, 2)
    face = int(np.argmax(outside))
    axis = face % len(low)
    return axis, float((lows if face < len(low) else highs)[largest, axis])
