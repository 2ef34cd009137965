"""The worst-case gap for each portfolio size."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from palm.errors import SelectionError
from palm.geometry.portfolio.certificate import check_value_vectors
from palm.geometry.portfolio.goal import goal_of
from palm.geometry.portfolio.selection import METHODS, check_method, select
from palm.geometry.preferences.time_budget import SecondsLeft, share_of, unlimited


@dataclass(frozen=True)
class SizeGapPoint:
    """The gap at one portfolio size.

    Attributes:
        size: number of policies K.
        exact: certified epsilon of the best portfolio found of at most that size; None if not asked for.
        bound: proven lower bound of epsilon at that size; 0.0 if exact was not asked for.
        greedy: certified epsilon of the greedy portfolio of at most that size; None if not asked for.
    """

    size: int
    exact: float | None
    bound: float
    greedy: float | None


def size_gap_curve(
    value_vectors: ArrayLike,
    *,
    delta: float = 0.0,
    sizes: Iterable[int] | None = None,
    methods: Sequence[str] = METHODS,
    seconds_left: SecondsLeft = unlimited,
) -> tuple[SizeGapPoint, ...]:
    """Compute the worst-case gap for each portfolio size.

    Args:
        sizes: sizes K to compute, each at least 1; None for all from the smallest at which every method
            has an epsilon up to 1, to n.
        methods: ``exact``, ``greedy`` or both.
        seconds_left: limit of all sizes together; each gets an equal share of the rest.

    Returns:
        Points with increasing sizes. Gaps never increase: a portfolio of fewer members counts as one of at most K.
        Bounds are proven for each size on its own.

    Raises:
        SelectionError: an argument is out of range, or a size that was asked for has no epsilon up to 1.
    """
    values = check_value_vectors(value_vectors)
    for method in methods:
        check_method(method)
    goal_of(None, delta)
    best, points = dict.fromkeys(methods, np.inf), list[SizeGapPoint]()
    asked = sorted(set(range(1, len(values) + 1) if sizes is None else sizes))
    for number, size in enumerate(asked):
        allowance = share_of(seconds_left, 1 / (len(asked) - number))
        try:
            found = {
                method: select(values, size, method=method, delta=delta, seconds_left=allowance) for method in methods
            }
        except SelectionError:
            if sizes is not None or points or size == len(values):
                raise
            continue
        best = {method: min(best[method], found[method].epsilon) for method in methods}
        points.append(
            SizeGapPoint(
                size=size,
                exact=best.get("exact"),
                bound=found["exact"].epsilon_bound if "exact" in found else 0.0,
                greedy=best.get("greedy"),
            )
        )
    return tuple(points)
