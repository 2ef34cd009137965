"""The optimum J*(w) from scored reference rollouts, without training anything."""

from dataclasses import dataclass

import numpy as np

from palm.portfolio.predicted import predict


@dataclass(frozen=True)
class OptimumEstimate:
    """A rollout estimate of J*(w).

    Attributes:
        objective: β E_x log mean_n exp(w·r / β); biased low for finite samples (Jensen).
        effective_sample_size: mean over prompts of 1 / Σ q_n² for the importance weights q; from 1 to the samples.
    """

    objective: float
    effective_sample_size: float


def estimate_optimum(rewards: np.ndarray, weights: np.ndarray, *, beta: float) -> OptimumEstimate:
    """Estimate J*(w) = β E_x log E_ref exp(w·r / β) for one preference.

    Args:
        rewards: scored reference rollouts, shape (p prompts, n samples, d), in [0, 1].
        weights: preference weights, shape (d,).
        beta: β > 0, reward units per nat.

    Returns:
        The estimate and its effective sample size.

    Raises:
        DataError: the rewards or β are malformed.
        WeightsError: the weights are not on the simplex.

    Source: `palm.portfolio.predicted.predict`, for one row of weights.
    """
    prediction = predict(rewards, np.asarray(weights)[None], beta=beta)
    return OptimumEstimate(float(prediction.optimum[0]), float(prediction.effective_sample_size[0]))
