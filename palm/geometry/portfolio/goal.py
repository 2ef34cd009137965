"""The goal of a selection: the smallest ε for a granted δ, or the smallest δ for a granted ε."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from palm.errors import SelectionError
from palm.geometry.arrays import Array
from palm.geometry.portfolio.certificate import (
    VALUE_TOLERANCE,
    PortfolioCertificate,
    certify,
    check_delta,
    check_meaningful,
    regrets,
)
from palm.geometry.portfolio.smallest_delta import check_epsilon, smallest_delta
from palm.geometry.portfolio.worst_case import WorstCases, lowest_value, worst_cases


@dataclass(frozen=True)
class SmallestEpsilon:
    """Minimise ε in J_v ≥ (1 - ε) J*(v) - δ for a granted δ, at least 0; the gap of a portfolio is its ε."""

    minimised: ClassVar[str] = "epsilon"
    largest_gap: ClassVar[float] = 1.0
    delta: float = 0.0

    def __post_init__(self) -> None:
        """Check δ."""
        check_delta(self.delta)

    def check(self, values: Array) -> None:
        """Check that all policies together reach some gap; SelectionError names the preference if not."""
        check_meaningful(values, delta=self.delta)

    def regrets(self, values: Array, weights: Array, targets: Array) -> Array:
        """Compute the gap of each policy alone at given preferences, shape (m, n); see ``certificate.regrets``."""
        return regrets(values, weights, delta=self.delta, targets=targets)

    def hopeless_weights(self, members: Array) -> Array | None:
        """Find a preference at which no ε up to 1 suffices for a portfolio, shape (d,); None if there is none."""
        lowest = lowest_value(members)
        return lowest.weights if lowest.value < -self.delta - VALUE_TOLERANCE / 2 else None

    def worst_cases(self, members: Array, targets: Array) -> WorstCases:
        """Compute the gap of a portfolio to each target."""
        return worst_cases(members, targets, scales=targets, delta=self.delta)

    def certify(self, values: ArrayLike, portfolio: Iterable[int]) -> PortfolioCertificate:
        """Certify a portfolio."""
        return certify(values, portfolio, delta=self.delta)


@dataclass(frozen=True)
class SmallestDelta:
    """Minimise δ in J_v ≥ (1 - ε) J*(v) - δ for a granted ε in [0, 1]; the gap of a portfolio is its δ."""

    minimised: ClassVar[str] = "delta"
    largest_gap: ClassVar[float] = np.inf
    epsilon: float

    def __post_init__(self) -> None:
        """Check ε."""
        check_epsilon(self.epsilon)

    def check(self, values: Array) -> None:
        """Nothing to check: some δ always suffices."""

    def regrets(self, values: Array, weights: Array, targets: Array) -> Array:
        """Compute the gap of each policy alone at given preferences, shape (m, n)."""
        needed = (1 - self.epsilon) * (weights @ targets.T).max(axis=1, keepdims=True)
        return np.maximum(needed - weights @ values.T, 0.0)

    def hopeless_weights(self, members: Array) -> None:
        """There is no such preference: some δ always suffices."""
        return None

    def worst_cases(self, members: Array, targets: Array) -> WorstCases:
        """Compute the gap of a portfolio to each target."""
        return worst_cases(members, (1 - self.epsilon) * targets)

    def certify(self, values: ArrayLike, portfolio: Iterable[int]) -> PortfolioCertificate:
        """Certify a portfolio."""
        return smallest_delta(values, portfolio, epsilon=self.epsilon)


Goal = SmallestEpsilon | SmallestDelta


def goal_of(epsilon: float | None, delta: float) -> Goal:
    """Choose what to minimise: δ where an ε is granted, else ε; SelectionError if both are granted."""
    if epsilon is None:
        return SmallestEpsilon(delta=delta)
    if delta != 0:
        raise SelectionError(
            f"epsilon={epsilon}, delta={delta}",
            rule="leave nothing to minimise",
            remedy="grant one of them; the smallest other one is found",
        )
    return SmallestDelta(epsilon=epsilon)
