"""Two objectives: the smallest cover and the packing that proves it, by placing cells end to end."""

import numpy as np

from palm.errors import WeightsError
from palm.geometry.arrays import Array
from palm.geometry.preferences.packing import GAP_TOLERANCE, Packing
from palm.geometry.preferences.simplex import MAX_SIZE

END_TOLERANCE = 1e-12
"""Cells that end this close to 1 reach it: rounding must not add a cell."""
MAX_STRETCH = 2.0
"""ε' and δ' are scaled by at most this factor to find how much room is left."""
BISECTIONS = 60


def line_cover(*, epsilon: float, delta: float) -> Array:
    """Cover the preferences of two objectives with the fewest vectors, for δ' above 0.

    Returns:
        Shape (n, 2), increasing in the first weight. The cells overlap as evenly as n allows.

    Source:
        Both ends of a cell increase with w_1, so the cell that starts where the last one ends and reaches
        farthest is best (greedy interval covering, exact). The last step shrinks all cells until n just suffice.
    """
    count = len(_chain(epsilon, delta)[0])
    if count > MAX_SIZE:
        raise WeightsError(
            f"epsilon={epsilon}, delta={delta}",
            rule=f"more than {MAX_SIZE} vectors are needed",
            remedy="raise epsilon or delta",
        )
    small, large = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (small + large) / 2
        suffices = len(_chain(epsilon * middle, delta * middle, count)[0]) <= count
        small, large = (small, middle) if suffices else (middle, large)
    centres = np.array(_chain(epsilon * large, delta * large)[0])
    return np.column_stack([centres, 1 - centres])


def line_packing(*, epsilon: float, delta: float) -> Packing:
    """Pack preferences of two objectives, as many as the fewest cells that cover, for δ' above 0.

    Returns:
        Weights of 1: where each cell of the greedy cover starts, the cells stretched by as much as their
        number allows, by 1e-9 in δ' at least. At most 10 000 points, which prove no more than that.

    Source:
        No vector serves the starts of two cells: one that serves a start reaches at most to that cell's end.
    """
    wide = delta + GAP_TOLERANCE
    count = len(_chain(epsilon, wide, MAX_SIZE - 1)[0])
    small, large = 1.0, max(1.0, min(MAX_STRETCH, (1 - END_TOLERANCE) / max(epsilon, END_TOLERANCE)))
    for _ in range(BISECTIONS):
        middle = (small + large) / 2
        needs_all = len(_chain(epsilon * middle, wide * middle, count)[0]) >= count
        small, large = (middle, large) if needs_all else (small, middle)
    stretch = (1 + small) / 2
    starts = np.array(_chain(epsilon * stretch, wide * stretch, count - 1)[1])
    return Packing(points=np.column_stack([starts, 1 - starts]), weights=np.ones(len(starts)))


def _chain(epsilon: float, delta: float, limit: int = MAX_SIZE) -> tuple[list[float], list[float]]:
    """Place cells end to end on [0, 1]: the first weights of their centres, and where the cells start.

    Stops when more than ``limit`` are needed.
    """
    centres, starts, end = list[float](), list[float](), 0.0
    while end < 1 - END_TOLERANCE and len(centres) <= limit:
        starts.append(end)
        # The largest w_1 whose cell still holds the start, by each of the two weights.
        centres.append(min(end * (1 + epsilon) + delta, 1 - (1 - end) * (1 - epsilon) + delta, 1.0))
        end = min((centres[-1] + delta) / (1 - epsilon), 1 - (1 - centres[-1] - delta) / (1 + epsilon))
    return centres, starts
