"""Greedy set cover on a dense set of preferences: the pruning of the paper."""

import numpy as np

from palm.geometry.arrays import Array, Booleans, Integers
from palm.geometry.portfolio.goal import Goal
from palm.geometry.preferences.simplex import finest_lattice

DENSE_POINTS = 2000
"""Size of the lattice of preferences that greedy covers."""


def dense_preferences(objectives: int) -> Array:
    """Make the set of preferences that greedy covers: the finest lattice of up to 2000 points."""
    return finest_lattice(objectives, DENSE_POINTS)


def greedy_cover(values: Array, weights: Array, size: int, *, goal: Goal, candidates: Integers) -> list[int]:
    """Choose up to ``size`` of the candidates by greedy set cover of m preferences.

    Returns:
        Indices in the order picked; they cover every given preference at the smallest level of the gap for which greedy
        succeeds, found by bisection over the levels that occur. If greedy fails even at the largest level, its first
        picks at that level.

    Source:
        The pruning of arXiv 2604.04144, as a baseline; its guarantee is only for the given preferences.
    """
    table = goal.regrets(values[candidates], weights, values)
    levels = np.unique(table[np.isfinite(table)])
    low, high = 0, len(levels) - 1
    best, _ = _cover(table <= levels[high], size)
    while low <= high:
        middle = (low + high) // 2
        picks, complete = _cover(table <= levels[middle], size)
        if complete:
            best, high = picks, middle - 1
        else:
            low = middle + 1
    return [int(candidates[pick]) for pick in best]


def _cover(covers: Booleans, size: int) -> tuple[list[int], bool]:
    """Pick the policy that covers most uncovered preferences, up to ``size`` times; also whether they cover all."""
    open_rows = np.ones(len(covers), dtype=bool)
    picks: list[int] = []
    while open_rows.any() and len(picks) < size:
        gains = covers[open_rows].sum(axis=0)
        pick = int(np.argmax(gains))
        if gains[pick] == 0:
            break
        picks.append(pick)
        open_rows &= ~covers[:, pick]
    return picks, not open_rows.any()
