"""Means over prompts with their standard errors."""

from dataclasses import dataclass

import numpy as np

NEGLIGIBLE = 1e-9
"""Rewards are in [0, 1]; a difference of means below this is rounding."""


@dataclass(frozen=True)
class Mean:
    """A mean over prompts.

    Attributes:
        mean: the estimate.
        standard_error: of the mean, over prompts (responses to one prompt are not independent); 0 for one prompt.
    """

    mean: float
    standard_error: float

    def to_dict(self) -> dict[str, float]:
        """For JSON."""
        return {"mean": self.mean, "standard_error": self.standard_error}


def mean_over_prompts(values: np.ndarray) -> Mean:
    """Average responses within each prompt, then prompts.

    Args:
        values: shape (p prompts, n samples), or (p,) with one value a prompt.

    Returns:
        The mean and its standard error.
    """
    by_prompt = values.reshape(len(values), -1).mean(axis=1)
    count = len(by_prompt)
    error = float(by_prompt.std(ddof=1) / np.sqrt(count)) if count > 1 else 0.0
    return Mean(float(by_prompt.mean()), error)


@dataclass(frozen=True)
class Share:
    """A ratio of two means over the same prompts.

    Attributes:
        share: the ratio; None where the second mean is 0 up to rounding: there is nothing to have a share of.
        low: lower end of the percentile interval; None without a ratio, or where resamples leave none.
        high: upper end.
        confidence: of the interval.
    """

    share: float | None
    low: float | None
    high: float | None
    confidence: float


def share_over_prompts(
    part: np.ndarray, whole: np.ndarray, *, seed: int, confidence: float = 0.95, resamples: int = 2000
) -> Share:
    """Estimate mean(part) / mean(whole) with an interval.

    Args:
        part: one value a prompt, shape (p,).
        whole: one value a prompt, shape (p,), at least 0 up to rounding.
        seed: seed of the resampling.
        confidence: in (0, 1).
        resamples: number of bootstrap resamples.

    Returns:
        The share with its interval: percentile bootstrap over prompts, paired. It is estimated, and knows nothing of
        a bias that all prompts have in common. One prompt gives no interval.

    Source: Efron (1979).
    """
    if whole.mean() <= NEGLIGIBLE:
        return Share(None, None, None, confidence)
    share, count = float(part.mean() / whole.mean()), len(part)
    # Resampled one at a time: for thousands of prompts the matrix of all counts would not fit into memory.
    rng, uniform = np.random.default_rng(seed), np.full(count, 1 / count)
    both = np.stack([part, whole], axis=1)
    means = np.array([rng.multinomial(count, uniform) @ both for _ in range(resamples)]) / count
    if count == 1 or (means[:, 1] <= NEGLIGIBLE).any():
        return Share(share, None, None, confidence)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means[:, 0] / means[:, 1], [tail, 1 - tail])
    return Share(share, float(low), float(high), confidence)
