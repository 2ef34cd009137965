"""The optimum J*(w) from scored reference rollouts, without training anything."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, softmax


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
    """Estimate J*(w) = β E_x log E_ref exp(w·r / β).

    Args:
        rewards: scored reference rollouts, shape (p prompts, n samples, d), in [0, 1].
        weights: preference weights, shape (d,).
        beta: β > 0, reward units per nat.

    Returns:
        The estimate and its effective sample size.

    Source: closed form of the KL-regularised optimum, arXiv 2604.04144; estimator as in docs/method.md, `predicted`.
    """
    tilt = rewards @ np.asarray(weights) / beta  # (p, n)
    objective = beta * (logsumexp(tilt, axis=1) - np.log(tilt.shape[1])).mean()
    importance = softmax(tilt, axis=1)
    return OptimumEstimate(float(objective), float((1.0 / (importance**2).sum(axis=1)).mean()))
