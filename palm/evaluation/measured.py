"""Measurements of policies by prompt: the data of every bootstrap."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from palm.config.portfolio import PortfolioConfig
from palm.evaluation.evaluate import SAMPLES
from palm.evaluation.rollouts import read_rollouts

_RESAMPLES, _IN_THE_TAIL = 200, 10


def resamples(config: PortfolioConfig) -> int:
    """Number of resamples for the gate's bounds: enough that some lie beyond a bound."""
    return max(_RESAMPLES, math.ceil(_IN_THE_TAIL / (1 - config.promotion.confidence)))


@dataclass(frozen=True, eq=False)
class MeasuredByPrompt:
    """Means over each prompt's responses.

    Attributes:
        rewards: shape (n, p, d), in [0, 1].
        metrics: shape (n, p, m).
        costs: β KL, shape (n, p).
    """

    rewards: np.ndarray
    metrics: np.ndarray
    costs: np.ndarray

    @property
    def value_vectors(self) -> np.ndarray:
        """a = R − β KL, means over prompts, shape (n, d)."""
        return (self.rewards - self.costs[:, :, None]).mean(axis=1)

    def of(self, indices: Iterable[int]) -> "MeasuredByPrompt":
        """Measurements of some of the policies."""
        chosen = list(indices)
        return MeasuredByPrompt(self.rewards[chosen], self.metrics[chosen], self.costs[chosen])


def measured_by_prompt(config: PortfolioConfig, evaluations: list[Path]) -> MeasuredByPrompt:
    """Read the samples of evaluations.

    Args:
        evaluations: folders of the step evaluate_policies, length n, all of the same prompts.
    """
    rewards, metrics, costs = [], [], []
    for folder in evaluations:
        path = folder / SAMPLES
        rollouts = read_rollouts(path, config.reward_names, [metric.name for metric in config.metrics])
        divergences = pd.read_parquet(path, columns=["kl"])["kl"].to_numpy().reshape(rollouts.truncated.shape)
        rewards.append(rollouts.rewards.mean(axis=1))
        metrics.append(rollouts.metrics.mean(axis=1))
        costs.append(config.beta * divergences.mean(axis=1))
    return MeasuredByPrompt(np.stack(rewards), np.stack(metrics), np.stack(costs))
