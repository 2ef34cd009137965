"""What a portfolio is asked for: the smallest ε for a granted δ, or the smallest δ for a granted ε."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from palm.errors import SelectionError
from palm.geometry.portfolio.certificate import VALUE_TOLERANCE, certify, check_delta, check_meaningful, regrets
from palm.geometry.portfolio.smallest_delta import check_epsilon, smallest_delta
from palm.geometry.portfolio.worst_case import lowest_value, worst_cases


@dataclass(frozen=True)
class SmallestEpsilon:
    """Minimise ε in J_v ≥ (1 - ε) J*(v) - δ; the gap of a portfolio is its ε.

    Attributes:
        delta: the δ granted, at least 0.

    Raises:
        SelectionError: on construction, when δ is out of range.
    """

    minimised: ClassVar[str] = "epsilon"
    largest_gap: ClassVar[float] = 1.0
    delta: float = 0.0

    def __post_init__(self):
        """Check δ."""
        check_delta(self.delta)

    def check(self, values):
        """Check that all policies together reach some gap; SelectionError names the preference if not."""
        check_meaningful(values, delta=self.delta)

    def regrets(self, values, weights, targets):
        """Compute the gap of each policy alone at given preferences, shape (m, n); see ``certificate.regrets``."""
        return regrets(values, weights, delta=self.delta, targets=targets)

    def hopeless_weights(self, members):
        """Find a preference at which no ε up to 1 suffices for a portfolio, shape (d,); None if there is none."""
        lowest = lowest_value(members)
        return lowest.weights if lowest.value < -self.delta - VALUE_TOLERANCE / 2 else None

    def worst_cases(self, members, targets):
        """Compute the gap of a portfolio against each target: WorstCases."""
        return worst_cases(members, targets, scales=targets, delta=self.delta)

    def certify(self, values, portfolio):
        """Certify a portfolio: PortfolioCertificate."""
        return certify(values, portfolio, delta=self.delta)


@dataclass(frozen=True)
class SmallestDelta:
    """Minimise δ in J_v ≥ (1 - ε) J*(v) - δ; the gap of a portfolio is its δ.

    Attributes:
        epsilon: the ε granted, in [0, 1].

    Raises:
        SelectionError: on construction, when ε is out of range.
    """

    minimised: ClassVar[str] = "delta"
    largest_gap: ClassVar[float] = np.inf
    epsilon: float

    def __post_init__(self):
        """Check ε."""
        check_epsilon(self.epsilon)

    def check(self, values):
        """Nothing to check: some δ always suffices."""

    def regrets(self, values, weights, targets):
        """Compute the gap of each policy alone at given preferences, shape (m, n)."""
        needed = (1 - self.epsilon) * (weights @ targets.T).max(axis=1, keepdims=True)
        return np.maximum(needed - weights @ values.T, 0.0)

    def hopeless_weights(self, members):
        """There is no such preference: some δ always suffices."""
        return None

    def worst_cases(self, members, targets):
        """Compute the gap of a portfolio against each target: WorstCases."""
        return worst_cases(members, (1 - self.epsilon) * targets, scales=np.ones_like(targets), delta=0.0)

    def certify(self, values, portfolio):
        """Certify a portfolio: PortfolioCertificate."""
        return smallest_delta(values, portfolio, epsilon=self.epsilon)


def goal_of(epsilon, delta):
    """Tell what to minimise: δ where an ε is granted, else ε.

    Args:
        epsilon: the ε granted, in [0, 1]; None to minimise it.
        delta: the δ granted, at least 0; 0.0 if an ε is granted.

    Returns:
        SmallestDelta or SmallestEpsilon.

    Raises:
        SelectionError: both are granted, or one is out of range.
    """
    if epsilon is None:
        return SmallestEpsilon(delta=delta)
    if delta != 0:
        raise SelectionError(
            f"epsilon={epsilon}, delta={delta}",
            rule="leave nothing to minimise",
            remedy="grant one of them; the smallest other one is found",
        )
    return SmallestDelta(epsilon=epsilon)
