"""The best portfolio of a size, with proof: levels of the gap, decided by a set cover that grows by worst cases."""

from dataclasses import dataclass

import numpy as np

from palm.geometry.portfolio.certificate import NO_REGRET, VALUE_TOLERANCE
from palm.geometry.portfolio.set_cover import cover, exchange
from palm.geometry.portfolio.worst_case import worst_cases
from palm.geometry.preferences.simplex import finest_lattice

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
    """A portfolio and a bound that no portfolio of its size can beat.

    Attributes:
        indices: the members, at most as many as asked for.
        gap: their worst-case gap; infinite if no portfolio of the size was found to have one.
        bound: proven lower bound of the gap of every portfolio of the size.
    """

    indices: tuple
    gap: float
    bound: float


def best_portfolio(values, size, *, start, goal, candidates, floor=None, seconds_left):
    """Find the portfolio with the smallest worst-case gap over the continuous simplex.

    Args:
        values: value vectors to live up to, shape (n, d).
        size: the most members allowed, below the number of candidates.
        start: indices of a portfolio to improve on, all of them candidates.
        goal: what the gap is: SmallestEpsilon or SmallestDelta.
        candidates: indices of the policies that may be members, increasing.
        floor: value vectors b_k that the portfolio must reach for every preference, shape (k, d): a portfolio with
            max_s a_s·v < max_k b_k·v for some v does not count. None for no such demand.
        seconds_left: see ``search``.

    Returns:
        Proven. The bound equals the gap within 1e-6 unless time ran out.

    Source:
        Derived, see ``search``; the rows are preferences, and the worst of a portfolio are found by the
        certificate's linear programs.
    """
    rows = PreferenceRows(values[candidates], values[undominated(values)], goal)
    if floor is not None:
        rows = FlooredRows(rows, values[candidates], floor)
    first = np.searchsorted(candidates, start)
    # Finite, as what misses the floor is infinite.
    largest = min(goal.largest_gap, np.finfo(float).max)
    proven = search(rows, size, start=first, largest=largest, seconds_left=seconds_left)
    return Proven(indices=tuple(candidates[list(proven.indices)].tolist()), gap=proven.gap, bound=proven.bound)


def search(rows, size, *, start, largest, seconds_left):
    """Find the columns whose highest minimum over all rows is lowest, where rows are found as they are needed.

    Args:
        rows: has ``table``, the rows so far, shape (m, n), and ``evaluate(picks)``, which gives the highest minimum
            over all rows and adds rows to the table at which it is high.
        size: the most columns allowed, below n.
        start: columns to start from.
        largest: columns whose highest minimum is above this do not count.
        seconds_left: tells how long the search may go on; a set cover gets a third of it, and the search ends when
            three have run out or the time is over.

    Returns:
        Proven. The bound equals the gap within 1e-6 unless time ran out.

    Source:
        Derived. Columns that reach a level g have on each row an entry of at most g. If no set of the size has
        that on some rows, no set reaches g, nor any level below the next entry. Exchanges find most sets, the
        mixed-integer program the rest; after a level that it cannot decide in time, lower ones are asked.
    """
    chosen = best = tuple(start)
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


def _level(bound, ceiling, best_gap, largest):
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
        targets: value vectors to live up to, shape (k, d).
        goal: what the gap is.
    """

    def __init__(self, members, targets, goal):
        self._members, self._targets, self._goal = members, targets, goal
        self._weights = finest_lattice(members.shape[1], FIRST_CUTS)

    @property
    def table(self):
        """Gaps of the candidates at the preferences so far, shape (m, n)."""
        return self._goal.regrets(self._members, self._weights, self._targets)

    def evaluate(self, picks):
        """Compute the worst-case gap of a portfolio and keep the preferences at which it is worst."""
        found = worst_preferences(self._members[list(picks)], self._targets, goal=self._goal)
        self._weights = np.unique(np.vstack([self._weights, found.weights]), axis=0)
        return found.gap


class FlooredRows:
    """Rows of ``search`` for a gap, and for a floor below which no preference may fall: entries 0 or infinite.

    Args:
        gaps: the rows of the gap.
        members: value vectors of the candidates, shape (n, d).
        floor: value vectors to be reached, shape (k, d).
    """

    def __init__(self, gaps, members, floor):
        self._gaps, self._members, self._floor = gaps, members, floor
        self._weights = finest_lattice(members.shape[1], FIRST_CUTS)

    @property
    def table(self):
        """Entries of the candidates at the preferences so far, shape (m, n)."""
        needed = (self._weights @ self._floor.T).max(axis=1, keepdims=True)
        short = needed - self._weights @ self._members.T > VALUE_TOLERANCE
        return np.vstack([self._gaps.table, np.where(short, np.inf, 0.0)])

    def evaluate(self, picks):
        """Compute the worst-case gap, infinite where the floor is not reached, and keep what is worst of both."""
        worst = worst_cases(self._members[list(picks)], self._floor, scales=np.ones_like(self._floor), delta=0.0)
        short = (worst.gaps > VALUE_TOLERANCE) & ~np.isnan(worst.weights).any(axis=1)
        self._weights = np.unique(np.vstack([self._weights, worst.weights[short]]), axis=0)
        gap = self._gaps.evaluate(picks)
        return np.inf if short.any() else gap


class TableRows:
    """Rows of ``search`` that are all known, but too many to solve at once.

    Args:
        entries: shape (m, n).
        first: how many evenly spaced rows to start with.
    """

    def __init__(self, entries, first=FIRST_CUTS):
        self._entries = entries
        self._used = np.unique(np.linspace(0, len(entries) - 1, min(first, len(entries))).astype(int))

    @property
    def table(self):
        """The rows so far, shape (m', n)."""
        return self._entries[self._used]

    def evaluate(self, picks):
        """Compute the highest minimum over all rows and use the rows at which it is highest."""
        minima = self._entries[:, list(picks)].min(axis=1)
        self._used = np.union1d(self._used, np.argsort(-minima, kind="stable")[:CUTS_PER_ROUND])
        return float(minima.max())


@dataclass(frozen=True, eq=False)
class WorstPreferences:
    """Where a portfolio is worst.

    Attributes:
        gap: its worst-case gap; infinite where no gap that the goal knows suffices.
        weights: preferences with the largest gaps, shape (m, d).
    """

    gap: float
    weights: np.ndarray


def worst_preferences(members, targets, *, goal):
    """Find the preferences at which a portfolio falls behind most, one for each of the worst targets.

    Args:
        members: value vectors of the portfolio, shape (s, d).
        targets: value vectors to live up to, shape (k, d).
        goal: what the gap is.

    Returns:
        WorstPreferences, with at most 12 preferences.
    """
    hopeless = goal.hopeless_weights(members)
    if hopeless is not None:
        return WorstPreferences(gap=np.inf, weights=hopeless[None])
    worst = goal.worst_cases(members, targets)
    order = np.argsort(-worst.gaps, kind="stable")[:CUTS_PER_ROUND]
    weights = worst.weights[order]
    return WorstPreferences(gap=float(worst.gaps.max()), weights=weights[~np.isnan(weights).any(axis=1)])


def undominated(values):
    """Find the policies that are best for some preference (dominated ones ask nothing more).

    Args:
        values: value vectors, shape (n, d).

    Returns:
        Indices of a subset such that every other policy is at most a convex combination of it, within 1e-12.

    Source:
        One linear program for each policy that is not already best at a point of a lattice.
    """
    lattice_worth = finest_lattice(values.shape[1], FIRST_CUTS) @ values.T
    kept = np.unique(lattice_worth.argmax(axis=1)).tolist()
    for policy in np.setdiff1d(np.arange(len(values)), kept):
        target = values[[policy]]
        gap = worst_cases(values[kept], target, scales=np.ones_like(target), delta=0.0).gaps[0]
        if gap > NO_REGRET:
            kept.append(int(policy))
    return np.array(sorted(kept))
