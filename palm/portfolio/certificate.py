"""A proof of how good a portfolio is for every preference, that can be checked again by hand."""

from dataclasses import dataclass

import numpy as np

from palm.errors import DataError, SelectionError
from palm.portfolio.worst_case import lowest_value, worst_cases

EPSILON_ROUNDING = 1e-9
"""A positive epsilon is reported this much larger than computed."""

VALUE_TOLERANCE = 1e-8
"""How far a value may miss its requirement by the solver's rounding, on values in [0, 1]."""

ATTAINED_TOLERANCE = 1e-6
"""How far the gap at the worst preference may be from the certified one."""

SMALL_VALUE = 1e-3
"""Coordinates of a policy below this are checked by VALUE_TOLERANCE instead of raising its ratio."""


@dataclass(frozen=True, eq=False)
class PortfolioCertificate:
    """How good a portfolio is against all given policies, for every preference.

    Attributes:
        epsilon: for every v, the best member has J_v ≥ (1 - epsilon) J*(v) - delta; rounded up.
        delta: the additive tolerance granted.
        worst_weights: a preference at which epsilon is needed, shape (d,).
        worst_policy: index of the policy that is best there.
        additive_gap: the largest J*(v) - max_s J_v(π_s), rounded up.
        additive_worst_weights: a preference at which that is needed, shape (d,).
        portfolio: indices of the members.
        combinations: shape (n, s): row k is a convex combination of the members whose value vector is at least
            (1 - epsilon) a_k - delta in every coordinate (within VALUE_TOLERANCE).
    """

    epsilon: float
    delta: float
    worst_weights: np.ndarray
    worst_policy: int
    additive_gap: float
    additive_worst_weights: np.ndarray
    portfolio: tuple
    combinations: np.ndarray

    def shortfall(self, value_vectors):
        """Check the proof again, without a solver.

        Args:
            value_vectors: the vectors that were certified, shape (n, d).

        Returns:
            The largest amount by which a combination misses its requirement; at most VALUE_TOLERANCE if
            the certificate holds.
        """
        values = np.asarray(value_vectors, dtype=np.float64)
        reached = self.combinations @ values[list(self.portfolio)]
        return float(((1 - self.epsilon) * values - self.delta - reached).max())


def check_value_vectors(value_vectors):
    """Check value vectors: shape (n, d), n at least 1, d at least 2, finite.

    Raises:
        DataError: they are not.
    """
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


def check_portfolio(portfolio, policies):
    """Check the indices of a portfolio: at least one, all different, each below ``policies``.

    Returns:
        The indices, sorted.

    Raises:
        SelectionError: they are not.
    """
    members = [int(member) for member in portfolio]
    if not members or len(set(members)) < len(members) or min(members) < 0 or max(members) >= policies:
        raise SelectionError(
            f"portfolio={members}",
            rule=f"must be different indices from 0 to {policies - 1}, at least one",
            remedy="name each member once",
        )
    return tuple(sorted(members))


def check_delta(delta):
    """Check the additive tolerance of a portfolio.

    Raises:
        SelectionError: it is negative or not finite.
    """
    if not 0 <= delta < np.inf:
        raise SelectionError(f"delta={delta}", rule="must be at least 0 and finite", remedy="use 0 for none")


def certify(value_vectors, portfolio, *, delta=0.0):
    """Certify a portfolio against all given policies over the whole continuous simplex.

    Args:
        value_vectors: a_k, shape (n, d), of every policy.
        portfolio: indices of the members, at least one.
        delta: additive tolerance, at least 0.

    Returns:
        PortfolioCertificate. Epsilon is certified: computed from the combinations, not taken from the solver.

    Raises:
        DataError: the value vectors are malformed.
        SelectionError: an index or delta is out of range, or no epsilon in [0, 1] suffices, which happens where
            the members' best value is below -delta.

    Source:
        Definition 3.2 of arXiv 2604.04144; PALM.md, "Selecting and certifying a portfolio" (derived).
    """
    values = check_value_vectors(value_vectors)
    members = check_portfolio(portfolio, len(values))
    check_delta(delta)
    chosen = values[list(members)]
    check_meaningful(chosen, delta=delta)
    additive = _against_all(values, members, scales=np.ones_like(values), delta=0.0)
    additive_gaps = (values - additive.combinations @ chosen).max(axis=1)
    additive_worst = _worst(additive)
    multiplicative = _against_all(values, members, scales=values, delta=delta)
    epsilon = certified_epsilon(values, chosen, multiplicative.combinations, delta=delta)
    worst = _worst(multiplicative) if epsilon > 0 else additive_worst
    weights = multiplicative.weights[worst] if epsilon > 0 else additive.weights[additive_worst]
    weights, additive_weights = (
        np.full(values.shape[1], 1 / values.shape[1]) if np.isnan(v).any() else v
        for v in (weights, additive.weights[additive_worst])
    )
    attained = float(regrets(values, weights[None], delta=delta)[0, list(members)].min())
    if abs(attained - epsilon) > ATTAINED_TOLERANCE:
        raise SelectionError(
            f"epsilon={epsilon}",
            rule=f"only {attained} is reached at the worst weights {weights.tolist()}",
            remedy="allow a delta: values near 0 make the ratio ill-conditioned",
        )
    return PortfolioCertificate(
        epsilon=epsilon,
        delta=float(delta),
        worst_weights=weights,
        worst_policy=int(np.argmax(values @ weights)),
        additive_gap=_rounded_up(float(additive_gaps.max())),
        additive_worst_weights=additive_weights,
        portfolio=members,
        combinations=multiplicative.combinations,
    )
