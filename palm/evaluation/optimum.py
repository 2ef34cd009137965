"""Rollout estimate of the optimum J*(w): from scored reference rollouts, without training."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from palm.geometry.adaptive.predicted import predict


@dataclass(frozen=True, eq=False)
class OptimumEstimate:
    """A rollout estimate of J*(w).

    Attributes:
        by_prompt: β log mean_n exp(w·r / β) of each prompt, shape (p,); biased low for finite samples (Jensen).
        bias: approximate bias of the mean of ``by_prompt``, with the sign reversed; at least 0.
        effective_sample_size: mean over prompts of 1 / Σ q_n² for the importance weights q; from 1 to the samples.
        smallest_effective_sample_size: the same on the worst prompt.
    """

    by_prompt: np.ndarray
    bias: float
    effective_sample_size: float
    smallest_effective_sample_size: float


def estimate_optimum(rewards: np.ndarray, weights: np.ndarray, *, beta: float) -> OptimumEstimate:
    """Estimate J*(w) = β E_x log E_ref exp(w·r / β) for one preference.

    Args:
        rewards: scored reference rollouts, shape (p prompts, n samples, d), in [0, 1].

    Source: `palm.geometry.adaptive.predicted.predict`, prompt by prompt.
    """
    prediction = predict(rewards, np.asarray(weights)[None], beta=beta)
    return OptimumEstimate(
        by_prompt=beta * (logsumexp(rewards @ weights / beta, axis=1) - np.log(rewards.shape[1])),
        bias=float(prediction.optimum_bias[0]),
        effective_sample_size=float(prediction.effective_sample_size[0]),
        smallest_effective_sample_size=float(prediction.smallest_effective_sample_size[0]),
    )
