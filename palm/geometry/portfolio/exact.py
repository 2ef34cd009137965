"""The best portfolio of a size, with proof: levels of the gap, decided by a set cover that grows by worst cases."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from palm.geometry.arrays import Array, Integers
from palm.geometry.portfolio.certificate import NO_REGRET, VALUE_TOLERANCE
from palm.geometry.portfolio.goal import Goal
from palm.geometry.portfolio.set_cover import cover, exchange
from palm.geometry.portfolio.worst_case import worst_cases
from palm.geometry.preferences.simplex import finest_lattice
from palm.geometry.preferences.time_budget import SecondsLeft

OPTIMALITY_TOLERANCE = 1e-6
"""The search stops once value and proven bound are this close."""
CLOSE = 0.9
"""While the bound is below this share of the best gap, levels are halved; from there on only better ones are asked."""
FIRST_CUTS = 150
"""Size of the lattice of preferences that the set cover starts from."""
CUTS_PER_ROUND = 12
"""Most worst preferences added after each answer of the set cover."""
MAX_QUESTIONS = 2000
"""Most levels asked about."""
UNANSWERED = 3
"""The search ends after this many set covers that ran out of time."""


@dataclass(frozen=True)
class Proven:
    """A portfolio and a proven lower bound of the gap of every portfolio of its size.

    The gap is infinite if no portfolio of the size was found to have one.
    """

    indices: tuple[int, ...]
    gap: float
    bound: float


class Rows(Protocol):
    """Rows of ``search``, found as they are needed."""

    @property
    def table(self) -> Array:
        """The rows so far, shape (m, n)."""

    def evaluate(self, picks: Sequence[int]) -> float:
        """Compute the highest minimum over all rows, and add rows to the table at which it is high."""


def best_portfolio(
    values: Array,
    size: int,
    *,
    start: Sequence[int],
    goal: Goal,
    candidates: Integers,
    floor: Array | None = None,
    seconds_left: SecondsLeft,
) -> Proven:
    """Find the portfolio of candidates with the smallest worst-case gap over the continuous simplex, see ``search``.

    The rows are preferences, and the worst of a portfolio are found by the certificate's linear programs.

    Args:
        values: value vectors to reach, shape (n, d).
        size: the most members allowed, below the number of candidates.
        start: indices of a portfolio to improve on, all of them candidates.
        candidates: indices of the policies that may be members, increasing.
        floor: value vectors b_k that the portfolio must reach for every preference, shape (k, d): a portfolio with
            max_s a_s·v < max_k b_k·v for some v does not count. None for no such demand.
        seconds_left: see ``search``.
    """
    rows: Rows = PreferenceRows(values[candidates], values[undominated(values)], goal)
    if floor is not None:
        rows = FlooredRows(rows, values[candidates], floor)
    first = np.searchsorted(candidates, start).tolist()
    # Finite, as what misses the floor is infinite.
    largest = min(goal.largest_gap, np.finfo(float).max)
    proven = search(rows, size, start=first, largest=largest, seconds_left=seconds_left)
    return Proven(indices=tuple(candidates[list(proven.indices)].tolist()), gap=proven.gap, bound=proven.bound)


def search(rows: Rows, size: int, *, start: Iterable[int], largest: float, seconds_left: SecondsLeft) -> Proven:
    """Find the columns whose highest minimum over all rows is lowest.

    Args:
        size: the most columns allowed, below n.
        largest: columns whose highest minimum is above this do not count.
        seconds_left: a set cover gets a third of it; the search ends when three have run out or the time is over.

    Returns:
        The bound equals the gap within 1e-6 unless time ran out.

    Source:
        Derived. Columns that reach a level g have on each row an entry of at most g. If no set of the size has
        that on some rows, no set reaches g, nor any level below the next entry. Exchanges find most sets, the
        mixed-integer program the rest; after a level that it cannot decide in time, lower ones are asked.
    """
    best = tuple(start)
    chosen: tuple[int, ...] | None = best
    best_gap, bound, ceiling, unanswered = np.inf, 0.0, np.inf, 0
    for _ in range(MAX_QUESTIONS):
        if chosen is not None:
            gap = rows.evaluate(chosen)
            if gap < best_gap:
                best, best_gap = chosen, gap
        ceiling = min(ceiling, best_gap)
        if ceiling - bound <= OPTIMALITY_TOLERANCE or unanswered == UNANSWERED or seconds_left() <= 0:
            break
        table = rows.table
        level = _level(bound, ceiling, best_gap, largest)
        chosen = exchange(table, best if chosen is None else chosen, size)
        if table[:, chosen].min(axis=1).max() <= level:
            continue
        answer = cover(table <= level, size, time_limit_seconds=seconds_left() / UNANSWERED)
        chosen = None if answer.picks is None else exchange(table, answer.picks, size)
        if answer.impossible and level >= largest:
            bound = np.inf
            break
        if answer.impossible:
            bound = float(np.min(table, where=table > level, initial=np.inf))
        elif chosen is None:
            unanswered, ceiling = unanswered + 1, level
    return Proven(indices=tuple(best), gap=best_gap, bound=min(bound, best_gap))


def _level(bound: float, ceiling: float, best_gap: float, largest: float) -> float:
    """Choose the level to ask about next."""
    if not np.isfinite(ceiling):
        return largest
    if ceiling < best_gap or bound < CLOSE * ceiling:
        return (bound + ceiling) / 2
    return ceiling - OPTIMALITY_TOLERANCE


class PreferenceRows:
    """Rows of ``search``: the gap of each candidate alone at preferences where portfolios fall behind.

    Args:
        members: value vectors of the candidates, shape (n, d).
        targets: value vectors to reach, shape (k, d).
    """

    def __init__(self, members: Array, targets: Array, goal: Goal):
        self._members, self._targets, self._goal = members, targets, goal
        self._weights = finest_lattice(members.shape[1], FIRST_CUTS)

    @property
    def table(self) -> Array:
        """Gaps of the candidates at the preferences so far, shape (m, n)."""
        return self._goal.regrets(self._members, self._weights, self._targets)

    def evaluate(self, picks: Sequence[int]) -> float:
        """Compute the worst-case gap of a portfolio and keep the preferences at which it is worst."""
        found = worst_preferences(self._members[list(picks)], self._targets, goal=self._goal)
        self._weights = np.unique(np.vstack([self._weights, found.weights]), axis=0)
        return found.gap


class FlooredRows:
    """Rows of ``search`` for a gap and for a floor: entries of the floor are 0 where it is reached, else infinite.

    Args:
        gaps: the rows of the gap.
        members: value vectors of the candidates, shape (n, d).
        floor: value vectors to reach, shape (k, d).
    """

    def __init__(self, gaps: Rows, members: Array, floor: Array):
        self._gaps, self._members, self._floor = gaps, members, floor
        self._weights = finest_lattice(members.shape[1], FIRST_CUTS)

    @property
    def table(self) -> Array:
        """Entries of the candidates at the preferences so far, shape (m, n)."""
        needed = (self._weights @ self._floor.T).max(axis=1, keepdims=True)
        short = needed - self._weights @ self._members.T > VALUE_TOLERANCE
        return np.vstack([self._gaps.table, np.where(short, np.inf, 0.0)])

    def evaluate(self, picks: Sequence[int]) -> float:
        """Compute the worst-case gap, infinite where the floor is missed, and keep the worst preferences of both."""
        worst = worst_cases(self._members[list(picks)], self._floor)
        short = (worst.gaps > VALUE_TOLERANCE) & ~np.isnan(worst.weights).any(axis=1)
        self._weights = np.unique(np.vstack([self._weights, worst.weights[short]]), axis=0)
        gap = self._gaps.evaluate(picks)
        return np.inf if short.any() else gap


class TableRows:
    """Rows of ``search`` that are all known, shape (m, n), but too many to solve at once.

    The search starts with ``first`` evenly spaced ones.
    """

    def __init__(self, entries: Array, first: int = FIRST_CUTS):
        self._entries = entries
        self._used = np.unique(np.linspace(0, len(entries) - 1, min(first, len(entries))).astype(int))

    @property
    def table(self) -> Array:
        """The rows so far, shape (m', n)."""
        return self._entries[self._used]

    def evaluate(self, picks: Sequence[int]) -> float:
        """Compute the highest minimum over all rows and use the rows at which it is highest."""
        minima = self._entries[:, list(picks)].min(axis=1)
        self._used = np.union1d(self._used, np.argsort(-minima, kind="stable")[:CUTS_PER_ROUND])
        return float(minima.max())


@dataclass(frozen=True, eq=False)
class WorstPreferences:
    """The worst-case gap of a portfolio, infinite where none suffices, and preferences that need most, shape (m, d)."""

    gap: float
    weights: Array


def worst_preferences(members: Array, targets: Array, *, goal: Goal) -> WorstPreferences:
    """Find the preferences at which a portfolio falls behind most, one for each of the 12 worst targets."""
    hopeless = goal.hopeless_weights(members)
    if hopeless is not None:
        return WorstPreferences(gap=np.inf, weights=hopeless[None])
    worst = goal.worst_cases(members, targets)
    order = np.argsort(-worst.gaps, kind="stable")[:CUTS_PER_ROUND]
    weights = worst.weights[order]
    return WorstPreferences(gap=float(worst.gaps.max()), weights=weights[~np.isnan(weights).any(axis=1)])


def undominated(values: Array) -> Integers:
    """Find the policies that are best for some preference: the others ask nothing more.

    Returns:
        Indices of a subset such that every other policy is at most a convex combination of it, within 1e-12: one
        linear program for each policy that is not already best at a point of a lattice.
    """
    lattice_worth = finest_lattice(values.shape[1], FIRST_CUTS) @ values.T
    kept = np.unique(lattice_worth.argmax(axis=1)).tolist()
    for policy in np.setdiff1d(np.arange(len(values)), kept):
        if worst_cases(values[kept], values[[policy]]).gaps[0] > NO_REGRET:
            kept.append(int(policy))
    return np.array(sorted(kept))
