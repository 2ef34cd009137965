"""The worst-case gap for each portfolio size."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from palm.errors import SelectionError
from palm.geometry.portfolio.certificate import check_delta, check_value_vectors
from palm.geometry.portfolio.selection import METHODS, select
from palm.geometry.preferences.time_budget import SecondsLeft, share_of, unlimited


@dataclass(frozen=True)
class SizeGapPoint:
    """The gap at one portfolio size.

    Attributes:
        size: number of policies K.
        exact: certified epsilon of the best portfolio found of at most that size.
        bound: proven lower bound of epsilon at that size.
        greedy: certified epsilon of the greedy portfolio of at most that size.
    """

    size: int
    exact: float
    bound: float
    greedy: float


def size_gap_curve(
    value_vectors: ArrayLike, *, delta: float = 0.0, seconds_left: SecondsLeft = unlimited
) -> tuple[SizeGapPoint, ...]:
    """Compute the worst-case gap for each portfolio size, from the smallest with an epsilon up to 1 to n.

    Args:
        seconds_left: limit of all sizes together; each gets an equal share of the rest.

    Returns:
        Points with increasing sizes. Gaps never increase: a portfolio of fewer members counts as one of at most K.
        Bounds are proven for each size on its own.
    """
    values = check_value_vectors(value_vectors)
    check_delta(delta)
    best, points = dict.fromkeys(METHODS, np.inf), list[SizeGapPoint]()
    for size in range(1, len(values) + 1):
        allowance = share_of(seconds_left, 1 / (len(values) + 1 - size))
        try:
            found = {
                method: select(values, size, method=method, delta=delta, seconds_left=allowance) for method in METHODS
            }
        except SelectionError:
            if points or size == len(values):
                raise
            continue
        best = {method: min(best[method], found[method].epsilon) for method in METHODS}
        points.append(SizeGapPoint(size=size, bound=found["exact"].epsilon_bound, **best))
    return tuple(points)
