"""Whether preferences are so far apart that no vector serves two of them: exact rational arithmetic."""

from fractions import Fraction
from itertools import combinations

from palm.verification.fault import Fault, shown

PACKING_SUM_TOLERANCE = 1e-12
"""How far the sum of a preference of a packing may be from 1; far below SAFE_MARGIN, so that it cannot matter."""

SAFE_MARGIN = 1e-10
"""Two preferences count as incompatible only if no vector would serve both with a δ' that is larger by this."""


def check_packing(points, *, epsilon, delta):
    """Check that no preference vector can serve two of some preferences, so that every cover has as many vectors.

    Args:
        points: v, lists of d floats on the simplex.
        epsilon: multiplicative tolerance ε' of the cells, in [0, 1).
        delta: additive tolerance δ' of the cells, in [0, 1].

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


def _serving_boxes(points, epsilon, delta):
    """Compute for each preference the box of the w that serve it, in integers.

    Returns:
        The integer that stands for 1, and a pair of lists (lower, upper bounds) for each preference.
    """
    boxes = []
    for point in points:
        exact = [Fraction(number) for number in point]
        lows = [max(number * (1 - epsilon) - delta, Fraction(0)) for number in exact]
        boxes.append((lows, [number * (1 + epsilon) + delta for number in exact]))
    # Denominators of floats are powers of 2: the largest is a multiple of all.
    unit = max(bound.denominator for box in boxes for bounds in box for bound in bounds)
    return unit, [tuple([int(bound * unit) for bound in bounds] for bounds in box) for box in boxes]


def _between(low, high, unit):
    """Find the vector on the simplex between two corners of a box, as floats."""
    width = sum(high) - sum(low)
    share = Fraction(unit - sum(low), width) if width else Fraction(0)
    return [float((bottom + share * (top - bottom)) / Fraction(unit)) for bottom, top in zip(low, high, strict=True)]
