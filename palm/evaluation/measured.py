"""Measurements of policies by prompt: the data of every bootstrap."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from palm.config.portfolio import PortfolioConfig
from palm.errors import DataError
from palm.evaluation.evaluate import SAMPLES

_RESAMPLES, _IN_THE_TAIL = 200, 10
_KEYS = ("prompt", "sample")
_REFERENCE = "reference.parquet"


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
        groups: shape (p,), the same number for equal prompts, which tell nothing about others.
    """

    rewards: np.ndarray
    metrics: np.ndarray
    costs: np.ndarray
    groups: np.ndarray

    @property
    def value_vectors(self) -> np.ndarray:
        """a = R − β KL, means over prompts, shape (n, d)."""
        return (self.rewards - self.costs[:, :, None]).mean(axis=1)

    def of(self, indices: Iterable[int]) -> "MeasuredByPrompt":
        """Measurements of some of the policies."""
        chosen = list(indices)
        return MeasuredByPrompt(self.rewards[chosen], self.metrics[chosen], self.costs[chosen], self.groups)


def measured_by_prompt(config: PortfolioConfig, evaluations: list[Path]) -> MeasuredByPrompt:
    """Read the samples of evaluations.

    Args:
        evaluations: folders of the step evaluate_policies, length n, all of the same prompts.
    """
    found = [_means(folder / SAMPLES, [*_scores(config), "kl"]) for folder in evaluations]
    return _measured(config, [means for means, _ in found], [prompts for _, prompts in found])


def write_reference(config: PortfolioConfig, rollouts: Path, folder: Path) -> None:
    """Keep the scores of the reference's rollouts on the held-out prompts."""
    columns = [*_KEYS, *_scores(config)]
    pd.read_parquet(rollouts / "eval.parquet", columns=columns).to_parquet(folder / _REFERENCE, index=False)


def measured_reference(config: PortfolioConfig, folder: Path) -> MeasuredByPrompt:
    """Read what `write_reference` has kept: a portfolio of one policy, whose KL is 0."""
    means, prompts = _means(folder / _REFERENCE, _scores(config))
    return _measured(config, [np.column_stack([means, np.zeros(len(means))])], [prompts])


def _scores(config: PortfolioConfig) -> list[str]:
    return [*(f"reward_{name}" for name in config.reward_names), *(f"metric_{entry.name}" for entry in config.metrics)]


def _means(path: Path, columns: list[str]) -> tuple[np.ndarray, list[str]]:
    """Means of columns over each prompt's responses, shape (p, c), and the prompts."""
    try:
        table = pd.read_parquet(path, columns=[*_KEYS, *columns])
    except (OSError, ValueError) as error:
        raise DataError(
            str(path), rule=f"is not a table of scored responses ({error})", remedy="make it with a step of this palm"
        ) from error
    samples = int(table["sample"].max()) + 1
    values = np.ascontiguousarray(table[columns].to_numpy(dtype=float)).reshape(-1, samples, len(columns))
    return values.mean(axis=1), table["prompt"].iloc[::samples].tolist()


def _measured(config: PortfolioConfig, means: list[np.ndarray], prompts: list[list[str]]) -> MeasuredByPrompt:
    if any(other != prompts[0] for other in prompts):
        raise DataError("evaluations", rule="are of different prompts", remedy="evaluate every policy on the same ones")
    table, objectives = np.stack(means), len(config.reward_names)
    first: dict[str, int] = {}
    # Spaces make no other prompt.
    groups = [first.setdefault(" ".join(text.split()), index) for index, text in enumerate(prompts[0])]
    return MeasuredByPrompt(
        rewards=table[:, :, :objectives],
        metrics=table[:, :, objectives:-1],
        costs=config.beta * table[:, :, -1],
        groups=np.array(groups),
    )
