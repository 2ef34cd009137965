"""Policies to train next after a build: the adaptive design on measured policies."""

from pathlib import Path

import numpy as np
from pydantic import Field

from palm.artifacts.base import Part, Vector
from palm.artifacts.summary import Summary
from palm.geometry.adaptive.next_batch import next_batch


class NextPolicies(Part):
    """Preference weights to train next, and what the trained policies reach."""

    target: float = Field(description="Multiplicative gap to the optimum to reach.")
    epsilon: float = Field(description="Gap of all trained policies to J*, for every preference.")
    worst_weights: Vector = Field(description="Preference at which it is reached.")
    next: tuple[Vector, ...] = Field(description="Weights to train; none if the target is met.")
    weights: tuple[Vector, ...] = Field(description="Trained weights and these, for the strategy weights.")


def next_policies(summary: Path, *, target: float, batch: int) -> NextPolicies:
    """Choose preference weights to train next, until every preference is within a gap of the optimum.

    The choice rests on the rollout estimates of J* at the trained weights, raised to the best value that a policy
    attains there.

    Args:
        summary: summary.json of a build.
        target: multiplicative gap to the optimum to reach, in (0, 1).
        batch: largest number of policies to train at once, at least 1.

    Raises:
        SelectionError: a policy is farther from the optimum than the target allows at its own preference.
    """
    policies = Summary.read(summary).policies
    weights = np.array([policy.weights for policy in policies])
    values = np.array([policy.value_vector for policy in policies])
    estimates = np.array([policy.objective_optimum.mean for policy in policies])
    upper = np.maximum(estimates, (weights @ values.T).max(axis=1))
    chosen = next_batch(weights, values, upper, size=batch, target=target)
    return NextPolicies(
        target=target,
        epsilon=chosen.gap.epsilon,
        worst_weights=chosen.gap.worst_weights.tolist(),
        next=chosen.weights.tolist(),
        weights=np.vstack([weights, chosen.weights]).tolist(),
    )
