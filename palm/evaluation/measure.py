"""Means over prompts with their standard errors."""

from dataclasses import dataclass

import numpy as np


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
        values: shape (p prompts, n samples).

    Returns:
        The mean and its standard error.
    """
    by_prompt = values.mean(axis=1)
    count = len(by_prompt)
    error = float(by_prompt.std(ddof=1) / np.sqrt(count)) if count > 1 else 0.0
    return Mean(float(by_prompt.mean()), error)
