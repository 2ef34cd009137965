"""The certificate of a portfolio: its gap for every preference, with a proof that needs no solver to check."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from palm.errors import DataError, SelectionError
from palm.geometry.arrays import Array
from palm.geometry.portfolio.worst_case import Lowest, WorstCases, lowest_value, worst_cases
from palm.geometry.preferences.simplex import finest_lattice

EPSILON_ROUNDING = 1e-9
"""Positive gaps are reported this much larger than computed."""
VALUE_TOLERANCE = 1e-8
"""Shortfall allowed for the solver's rounding, on values in [0, 1]."""
ATTAINED_TOLERANCE = 1e-6
"""Largest difference between the gap at the worst preference and the certified one."""
PLACES_CHECKED = 150
"""Size of the lattice at which an epsilon is compared with what is needed there."""
NO_REGRET = 1e-12
"""Gaps below this are floating-point noise."""
SMALL_VALUE = 1e-3
"""Coordinates of a policy below this are checked by VALUE_TOLERANCE instead of raising its ratio."""


@dataclass(frozen=True, eq=False)
class PortfolioCertificate:
    """The gap of a portfolio to all given policies, for every preference, with its proof.

    Attributes:
        epsilon: for every v, the best member has J_v ≥ (1 - epsilon) J*(v) - delta, within VALUE_TOLERANCE; rounded up.
        worst_weights: a preference at which epsilon is needed, shape (d,).
        additive_gap: the largest J*(v) - max_s J_v(π_s), rounded up.
        additive_worst_weights: a preference at which that is needed, shape (d,).
        combinations: shape (n, s): row k is a convex combination of the members whose value vector is at least
            (1 - epsilon) a_k - delta in every coordinate (within VALUE_TOLERANCE).
        additive_combinations: the same for the additive gap: row k reaches a_k - additive_gap.
    """

    epsilon: float
    delta: float
    worst_weights: Array
    additive_gap: float
    additive_worst_weights: Array
    portfolio: tuple[int, ...]
    combinations: Array
    additive_combinations: Array

    def shortfall(self, value_vectors: ArrayLike) -> float:
        """Check the proof without a solver: the largest amount by which a combination misses its requirement.

        At most VALUE_TOLERANCE if the certificate holds for these vectors, shape (n, d).
        """
        values = np.asarray(value_vectors, dtype=np.float64)
        reached = self.combinations @ values[list(self.portfolio)]
        return float(((1 - self.epsilon) * values - self.delta - reached).max())


def check_value_vectors(value_vectors: ArrayLike) -> Array:
    """Check value vectors: shape (n, d), n at least 1, d at least 2, finite; DataError if they are not."""
    values = np.asarray(value_vectors, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] < 1 or values.shape[1] < 2:
        raise DataError(
            f"value vectors of shape {values.shape}",
            rule="must be (n, d) with n at least 1 and d at least 2",
            remedy="give one row per policy",
        )
    broken = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if broken.size:
        raise DataError(f"value vector of policy {broken[0]}", rule="must be finite", remedy="evaluate it again")
    return values


def check_portfolio(portfolio: Iterable[int], policies: int) -> tuple[int, ...]:
    """Check that members are different indices below ``policies``, at least one, and sort them."""
    members = [int(member) for member in portfolio]
    if not members or len(set(members)) < len(members) or min(members) < 0 or max(members) >= policies:
        raise SelectionError(
            f"portfolio={members}",
            rule=f"must be different indices from 0 to {policies - 1}, at least one",
            remedy="name each member once",
        )
    return tuple(sorted(members))


def check_delta(delta: float) -> None:
    """Check that an additive tolerance is at least 0 and finite; SelectionError if it is not."""
    if not 0 <= delta < np.inf:
        raise SelectionError(f"delta={delta}", rule="must be at least 0 and finite", remedy="use 0 for none")


def certify(value_vectors: ArrayLike, portfolio: Iterable[int], *, delta: float = 0.0) -> PortfolioCertificate:
    """Certify a portfolio against all given policies over the whole continuous simplex.

    Returns:
        Its epsilon is computed from the combinations, not taken from the solver.

    Raises:
        SelectionError: an index or delta is out of range, or no epsilon in [0, 1] suffices, which happens where
            the members' best value is below -delta.

    Source:
        Definition 3.2 of arXiv 2604.04144. Derived, by minimax: it holds against policy k for every v iff some
        convex combination of the members' value vectors is at least (1 - ε) a_k - δ in every coordinate.
    """
    values = check_value_vectors(value_vectors)
    members = check_portfolio(portfolio, len(values))
    check_delta(delta)
    chosen = values[list(members)]
    lowest = check_meaningful(chosen, delta=delta)
    additive = _against_all(values, members, scales=np.ones_like(values), delta=0.0)
    additive_gap = float((values - additive.combinations @ chosen).max())
    worst = _against_all(values, members, scales=values, delta=delta)
    proof = prove_epsilon(values, chosen, worst, delta=delta, fallback=lowest.combination)
    epsilon = proof.epsilon
    weights = (worst if epsilon > 0 else additive).worst_weights
    _check_plausible(values, members, weights, epsilon=epsilon, delta=delta)
    return PortfolioCertificate(
        epsilon=epsilon,
        delta=float(delta),
        worst_weights=weights,
        additive_gap=float(rounded_up(additive_gap)),
        additive_worst_weights=additive.worst_weights,
        portfolio=members,
        combinations=proof.combinations,
        additive_combinations=additive.combinations,
    )


def _check_plausible(values: Array, members: tuple[int, ...], weights: Array, *, epsilon: float, delta: float) -> None:
    """Check an epsilon where it is needed and on a lattice: values near 0 turn the solver's rounding into a gap."""
    places = np.vstack([weights, finest_lattice(values.shape[1], PLACES_CHECKED)])
    needed = regrets(values, places, delta=delta)[:, list(members)].min(axis=1)
    if abs(needed[0] - epsilon) <= ATTAINED_TOLERANCE and needed.max() <= epsilon + ATTAINED_TOLERANCE:
        return
    place = int(needed.argmax()) if needed.max() > epsilon else 0
    raise SelectionError(
        f"epsilon={epsilon}",
        rule=f"is what the solver finds, but {needed[place]} is needed at the weights {places[place].tolist()}",
        remedy="allow a delta: values near 0 make the ratio ill-conditioned",
    )


def check_meaningful(members: Array, *, delta: float) -> Lowest:
    """Check that the best of some value vectors, shape (s, d), is at least -delta everywhere.

    Otherwise no epsilon up to 1 suffices, and a SelectionError names the preference.
    """
    lowest = lowest_value(members)
    if lowest.value < -delta - VALUE_TOLERANCE / 2:
        raise SelectionError(
            f"preference {np.round(lowest.weights, 6).tolist()}",
            rule=f"the portfolio's best value there is {lowest.value:.6g}, below -delta={-delta:g}, "
            "so no multiplicative gap up to 1 describes it",
            remedy=f"allow a delta of at least {-lowest.value:.6g}, or add policies closer to the reference",
        )
    return lowest


def regrets(values: Array, weights: Array, *, delta: float, targets: Array | None = None) -> Array:
    """Compute the gap of single policies at preferences: the smallest ε ≥ 0 with a_s · v ≥ (1 - ε) J*(v) - δ.

    ``targets`` are the value vectors to reach, None for the policies' own. Shape (m, n); infinite where J*(v) ≤ 0 and
    even ε = 0 is missed.
    """
    worth = weights @ values.T
    best = (worth if targets is None else weights @ targets.T).max(axis=1, keepdims=True)
    missing = best - delta - worth
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(best > 0, missing / best, np.inf)
    return np.where(missing <= NO_REGRET, 0.0, ratio)


@dataclass(frozen=True, eq=False)
class Proof:
    """An epsilon in [0, 1], and for each of k policies the combination of the members that proves it, shape (k, s)."""

    epsilon: float
    combinations: Array


def prove_epsilon(values: Array, members: Array, worst: WorstCases, *, delta: float, fallback: Array) -> Proof:
    """Compute an epsilon from combinations, rounded up, and make every combination prove it.

    ``worst`` solves the multiplicative program for the values, shape (k, d); ``fallback`` is a convex combination of
    the members that is at least -delta in every coordinate. A SelectionError says that a combination misses its
    requirement by more than VALUE_TOLERANCE.

    Source:
        Derived. A larger epsilon asks more where a_k is negative. If λ proves ε_k for policy k, then for
        1 - ε = (1 - t)(1 - ε_k) the mixture (1 - t) λ + t · fallback proves ε.
    """
    reached = worst.combinations @ members
    large = values > SMALL_VALUE
    ratios = np.where(large, (values - delta - reached) / np.where(large, values, 1), 0.0).max(axis=1)
    own = np.minimum(rounded_up(np.maximum(ratios, worst.gaps)), 1.0)
    epsilon = float(own.max())
    mixed = (values.min(axis=1) < 0) & (own < epsilon)
    share = np.where(mixed, 1 - (1 - epsilon) / np.where(mixed, 1 - own, 1.0), 0.0)[:, None]
    combinations = (1 - share) * worst.combinations + share * fallback
    shortfall = float(((1 - epsilon) * values - delta - combinations @ members).max())
    if shortfall > VALUE_TOLERANCE:
        raise SelectionError(
            f"epsilon={epsilon}",
            rule=f"the solver's combinations miss a requirement by {shortfall:.2g}",
            remedy="allow a delta: values near 0 make the ratio ill-conditioned",
        )
    return Proof(epsilon=epsilon, combinations=combinations)


def rounded_up(gap: ArrayLike) -> Array:
    """Round gaps up; what is 0 up to floating-point noise is 0."""
    gaps = np.asarray(gap, dtype=np.float64)
    return np.where(gaps > NO_REGRET, gaps + EPSILON_ROUNDING, 0.0)


def _against_all(values: Array, members: tuple[int, ...], *, scales: Array, delta: float) -> WorstCases:
    """Solve for every policy; a member is its own combination and needs no program."""
    n, d = values.shape
    others = np.setdiff1d(np.arange(n), members)
    gaps, weights = np.zeros(n), np.full((n, d), np.nan)
    combinations = np.zeros((n, len(members)))
    combinations[list(members), np.arange(len(members))] = 1.0
    if len(others):
        found = worst_cases(values[list(members)], values[others], scales=scales[others], delta=delta)
        gaps[others], weights[others], combinations[others] = found.gaps, found.weights, found.combinations
    return WorstCases(gaps=gaps, combinations=combinations, weights=weights)
