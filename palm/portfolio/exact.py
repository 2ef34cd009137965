"""The best portfolio of a size, with proof: bisection on ε over a set cover that grows by worst cases."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from palm.errors import SelectionError
from palm.portfolio.certificate import NO_REGRET, VALUE_TOLERANCE, regrets
from palm.portfolio.worst_case import lowest_value, worst_cases
from palm.preferences.simplex import finest_lattice

OPTIMALITY_TOLERANCE = 1e-6
"""The search stops once value and proven bound are this close."""

FIRST_CUTS = 150
"""Size of the lattice of preferences that the set cover starts from."""

CUTS_PER_ROUND = 12
"""Most worst preferences added after each answer of the set cover."""

MAX_QUESTIONS = 2000
"""Most set covers solved."""

INFEASIBLE, OUT_OF_TIME = 2, 1
"""Status codes of scipy.optimize.milp."""

UNANSWERED = 3
"""The search ends after this many set covers that ran out of time."""


@dataclass(frozen=True)
class Proven:
    """A portfolio and a bound that no portfolio of its size can beat.

    Attributes:
        indices: the members, at most as many as asked for.
        epsilon: their worst-case gap; infinite if no portfolio of the size was found to have one up to 1.
        bound: proven lower bound of the gap of every portfolio of the size.
    """

    indices: tuple
    epsilon: float
    bound: float


def best_portfolio(values, size, *, start, delta, time_limit_seconds):
    """Find the portfolio with the smallest worst-case gap.

    Args:
        values: value vectors, shape (n, d).
        size: the most members allowed, below n.
        start: indices of a portfolio to improve on.
        delta: additive tolerance.
        time_limit_seconds: each set cover gets a third of it; the search ends when three have run out.

    Returns:
        Proven. The bound equals the gap within 1e-6 unless time ran out.

    Source:
        Derived. For a level ε and any preferences V, every portfolio with gap ≤ ε has for each v in V a
        member with regret ≤ ε at v. If no set of that size has, then no portfolio of that size reaches ε,
        nor any level below the next regret that occurs.
    """
    targets = values[undominated(values)]
    cuts = finest_lattice(values.shape[1], FIRST_CUTS)
    chosen, best_epsilon, bound, floor, unanswered = tuple(start), np.inf, 0.0, 0.0, 0
    best = chosen
    for _ in range(MAX_QUESTIONS):
        if chosen is not None:
            found = worst_preferences(values[list(chosen)], targets, delta=delta)
            if found.epsilon < best_epsilon:
                best, best_epsilon = chosen, found.epsilon
            cuts = np.unique(np.vstack([cuts, found.weights]), axis=0)
        if best_epsilon - floor <= OPTIMALITY_TOLERANCE or unanswered == UNANSWERED:
            break
        level = (floor + best_epsilon) / 2 if np.isfinite(best_epsilon) else 1.0
        table = regrets(values, cuts, delta=delta)
        answer = cover(table <= level, size, time_limit_seconds=time_limit_seconds / UNANSWERED)
        chosen = answer.picks
        if answer.impossible and not np.isfinite(best_epsilon):
            bound = np.inf
            break
        if answer.impossible:
            bound = floor = min(best_epsilon, float(np.min(table, where=table > level, initial=np.inf)))
        elif chosen is None:
            unanswered, floor = unanswered + 1, level
    return Proven(indices=best, epsilon=best_epsilon, bound=min(bound, best_epsilon))


@dataclass(frozen=True, eq=False)
class WorstPreferences:
    """Where a portfolio is worst.

    Attributes:
        epsilon: its worst-case gap; infinite where its best value is below -delta.
        weights: preferences with the largest gaps, shape (m, d).
    """

    epsilon: float
    weights: np.ndarray


def worst_preferences(members, targets, *, delta):
    """Find the preferences at which a portfolio falls behind most, one for each of the worst targets.

    Args:
        members: value vectors of the portfolio, shape (s, d).
        targets: value vectors to live up to, shape (k, d).
        delta: additive tolerance.

    Returns:
        WorstPreferences, with at most 12 preferences.
    """
    lowest = lowest_value(members)
    if lowest.value < -delta - VALUE_TOLERANCE / 2:
        return WorstPreferences(epsilon=np.inf, weights=lowest.weights[None])
    worst = worst_cases(members, targets, scales=targets, delta=delta)
    order = np.argsort(-worst.gaps, kind="stable")[:CUTS_PER_ROUND]
    weights = worst.weights[order]
    return WorstPreferences(epsilon=float(worst.gaps.max()), weights=weights[~np.isnan(weights).any(axis=1)])


@dataclass(frozen=True)
class Cover:
    """The answer of a set cover.

    Attributes:
        picks: columns that cover every row; None if none were found.
        impossible: whether it is proven that there are none.
    """

    picks: tuple | None
    impossible: bool


def cover(covers, size, *, time_limit_seconds):
    """Ask whether ``size`` columns can cover every row.

    Args:
        covers: boolean, shape (m, n).
        size: the most columns allowed.
        time_limit_seconds: after this the question stays unanswered.

    Returns:
        Cover.

    Raises:
        SelectionError: the solver fails.

    Source:
        Mixed-integer program, exact: whole columns against whole rows leave nothing to round.
    """
    rows = minimal_rows(covers)
    if not rows.any(axis=1).all():
        return Cover(picks=None, impossible=True)
    used = np.flatnonzero(rows.any(axis=0))
    answer = milp(
        np.zeros(len(used)),
        integrality=np.ones(len(used)),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(csr_array(rows[:, used].astype(float)), lb=1),
            LinearConstraint(np.ones((1, len(used))), ub=size),
        ],
        options={"time_limit": time_limit_seconds},
    )
    if answer.status == INFEASIBLE:
        return Cover(picks=None, impossible=True)
    if answer.x is None and answer.status == OUT_OF_TIME:
        return Cover(picks=None, impossible=False)
    if answer.x is None:
        raise SelectionError(f"size={size}", rule=f"the set cover failed: {answer.message}", remedy="use greedy")
    return Cover(picks=tuple(used[answer.x > 0.5].tolist()), impossible=False)


def minimal_rows(covers):
    """Drop rows that are covered whenever another row is: those with a superset of its columns."""
    rows = np.unique(covers, axis=0)
    rows = rows[np.argsort(rows.sum(axis=1), kind="stable")]
    counts = rows.astype(np.float32) @ rows.T.astype(np.float32)
    superset = counts == rows.sum(axis=1)[:, None]
    return rows[~np.triu(superset, 1).any(axis=0)]


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
