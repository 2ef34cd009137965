"""Means over prompts with their standard errors, and ratios of means with their intervals."""

import numpy as np

from palm.artifacts.evaluation import Mean, ShareInterval

NEGLIGIBLE = 1e-9
"""Rewards are in [0, 1]; a difference of means below this is rounding."""
_CONFIDENCE = 0.95


def mean_over_prompts(values: np.ndarray) -> Mean:
    """Average responses within each prompt, then prompts.

    Args:
        values: shape (p prompts, n samples), or (p,) with one value per prompt.
    """
    by_prompt = values.reshape(len(values), -1).mean(axis=1)
    count = len(by_prompt)
    error = float(by_prompt.std(ddof=1) / np.sqrt(count)) if count > 1 else 0.0
    return Mean(mean=float(by_prompt.mean()), standard_error=error)


def share_over_prompts(
    part: np.ndarray, whole: np.ndarray, *, seed: int, resamples: int = 2000
) -> tuple[float | None, ShareInterval | None]:
    """Estimate mean(part) / mean(whole) with a percentile bootstrap interval over prompts, paired.

    The interval does not cover a bias that all prompts share.

    Args:
        part: one value per prompt, shape (p,).
        whole: one value per prompt, shape (p,), at least 0 up to rounding.

    Returns:
        The ratio, None where the second mean is 0 up to rounding; and its interval, None without a ratio, for one
        prompt, or where a resample has no ratio.

    Source: Efron (1979).
    """
    if whole.mean() <= NEGLIGIBLE:
        return None, None
    share, count = float(part.mean() / whole.mean()), len(part)
    # One resample at a time: for thousands of prompts the matrix of all counts would not fit into memory.
    rng, uniform = np.random.default_rng(seed), np.full(count, 1 / count)
    both = np.stack([part, whole], axis=1)
    means = np.array([rng.multinomial(count, uniform) @ both for _ in range(resamples)]) / count
    if count == 1 or (means[:, 1] <= NEGLIGIBLE).any():
        return share, None
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(means[:, 0] / means[:, 1], [tail, 1 - tail])
    return share, ShareInterval(confidence=_CONFIDENCE, low=float(low), high=float(high))
