"""Bounds on the optimum J* over the whole simplex, and the largest gap that a set of policies can have to it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from palm.errors import DataError
from palm.geometry.adaptive.cell_games import worst_in_cells
from palm.geometry.adaptive.envelope import Envelope, upper_envelope
from palm.geometry.arrays import Array
from palm.geometry.portfolio.certificate import check_delta, check_value_vectors
from palm.geometry.preferences.simplex import check_weight_rows

GAP_ROUNDING = 1e-9
"""Gaps are reported this much larger than computed."""
BOUND_ROUNDING = 1e-12
"""J* is bounded from above this much higher than computed, and from below as much lower."""
CONTRADICTION = 1e-9
"""An upper bound may be this much below a value that a policy attains: rounding."""


@dataclass(frozen=True, eq=False)
class OptimumGap:
    """The largest gap of policies to the optimum, over all preferences.

    Attributes:
        epsilon: for every v some policy has J_v ≥ (1 - epsilon) J*(v) - delta: proven, rounded up. Above 1 where
            the best known value is below -delta.
        worst_weights: a preference at which the bounds are that far apart, shape (d,).
        attained: the multiplicative gap of the bounds there; epsilon is that and rounding.
        additive_gap: the largest J*(v) - max_k J_v(π_k): proven, rounded up.
        additive_worst_weights: a preference at which the bounds are that far apart, shape (d,).
    """

    epsilon: float
    delta: float
    worst_weights: Array
    attained: float
    additive_gap: float
    additive_worst_weights: Array


@dataclass(frozen=True, eq=False)
class OptimumBounds:
    """Bounds on J* for every preference, proven by trained policies.

    Attributes:
        envelope: the upper bounds u_k joined to one for the whole simplex.
    """

    value_vectors: Array
    envelope: Envelope

    def lower(self, weights: Iterable[ArrayLike]) -> Array:
        """Bound J* from below by the best known policy, max_k a_k · v, at preferences of shape (m, d)."""
        rows = check_weight_rows(weights, self.value_vectors.shape[1])
        return (rows @ self.value_vectors.T).max(axis=1) - BOUND_ROUNDING

    def upper(self, weights: Iterable[ArrayLike]) -> Array:
        """Bound J* from above by convexity at preferences of shape (m, d)."""
        rows = check_weight_rows(weights, self.value_vectors.shape[1])
        return self.envelope.at(rows) + BOUND_ROUNDING

    def worst(self, *, delta: float = 0.0) -> OptimumGap:
        """Find the largest gap between the bounds over the whole continuous simplex.

        Source:
            Derived, by minimax on each cell of the envelope: the policies are within (ε, δ) of the bound on the
            cell with corners w_j iff some convex combination a of their value vectors has a · w_j ≥ (1 - ε) u_j - δ
            at all its d corners. The combinations are the proof, and the cells fill the simplex.
        """
        check_delta(delta)
        corners, bounds = self.envelope.points[self.envelope.cells], self.envelope.bounds[self.envelope.cells]
        relative = worst_in_cells(self.value_vectors, corners, bounds, scales=bounds, delta=delta)
        additive = worst_in_cells(self.value_vectors, corners, bounds, scales=np.ones_like(bounds), delta=0.0)
        return OptimumGap(
            epsilon=relative.proven + GAP_ROUNDING,
            delta=float(delta),
            worst_weights=relative.weights,
            attained=relative.attained,
            additive_gap=additive.proven + GAP_ROUNDING,
            additive_worst_weights=additive.weights,
        )


def bound_optimum(weights: Iterable[ArrayLike], value_vectors: ArrayLike, upper: ArrayLike) -> OptimumBounds:
    """Bound J* over the whole simplex, for rewards in [0, 1].

    Args:
        weights: preference weights w_k that each policy was trained for, shape (n, d), rows on the simplex.
        upper: u_k ≥ J*(w_k), shape (n,): a_k · w_k plus how far training may have stopped from the optimum.

    Raises:
        DataError: a shape is wrong, a number is not finite, or an upper bound is below what a policy attains.
        SelectionError: two preferences are too close to each other to tell apart.

    Source:
        Roijers (2016), optimistic linear support, with the regulariser: J_v(π_k) = a_k · v and J* is convex.
    """
    values = check_value_vectors(value_vectors)
    rows = check_weight_rows(weights, values.shape[1])
    bounds = np.asarray(upper, dtype=np.float64)
    if len(rows) != len(values) or bounds.shape != (len(values),) or not np.isfinite(bounds).all():
        raise DataError(
            f"{len(rows)} preference weights, {len(values)} value vectors, upper bounds of shape {bounds.shape}",
            rule="must be as many, and finite",
            remedy="give one of each for every policy",
        )
    attained = rows @ values.T
    short = attained.max(axis=1) - bounds
    policy = int(np.argmax(short))
    if short[policy] > CONTRADICTION:
        raise DataError(
            f"upper bound {bounds[policy]:.9g} of policy {policy}",
            rule=f"policy {attained[policy].argmax()} attains {attained[policy].max():.9g} at its preference weights",
            remedy=f"raise the bound by at least {short[policy]:.3g}: training stopped that far from the optimum",
        )
    # A bound below what is attained, by rounding, is not one.
    return OptimumBounds(value_vectors=values, envelope=upper_envelope(rows, np.maximum(bounds, attained.max(axis=1))))
