"""Scored rollouts of a policy: sampled responses with every reward, as one Parquet table."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from palm.errors import DataError
from palm.evaluation.responses import response_table
from palm.models.generate import Response
from palm.models.prompts import PromptSet
from palm.rewards.scoring import normalised_scores
from palm.rewards.source import RewardSource


@dataclass(frozen=True)
class Rollouts:
    """Sampled responses, n to each of p prompts.

    Attributes:
        responses: texts, p lists of n.
        token_ids: sampled ids, end token included, p lists of n lists.
        truncated: shape (p, n), bool.
        rewards: normalised rewards in weight order, shape (p, n, d).
        metrics: further scores, shape (p, n, m).
        raw: scores before normalisation, name of a reward or metric to shape (p, n); not read back from a file.
    """

    prompts: list[str]
    responses: list[list[str]]
    token_ids: list[list[list[int]]]
    truncated: np.ndarray
    rewards: np.ndarray
    metrics: np.ndarray
    raw: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def lengths(self) -> np.ndarray:
        """Response lengths in tokens, shape (p, n)."""
        return np.array([[len(ids) for ids in samples] for samples in self.token_ids])


def scored(
    prompts: PromptSet,
    answers: list[Response],
    raw: np.ndarray,
    rewards: list[RewardSource],
    metrics: list[RewardSource],
) -> Rollouts:
    """Rollouts from responses and their raw scores.

    Args:
        answers: n responses to each prompt in a row, length p · n.
        raw: raw scores of the rewards and then the metrics, shape (p · n, d + m).
        rewards: objectives, length d, with fitted normalisations.
        metrics: further scores, length m, with fitted normalisations.

    Raises:
        RewardError: a value is outside [0, 1].
    """
    texts = [answer.text for answer in answers]
    sources = [*rewards, *metrics]
    shape = (len(prompts.texts), len(answers) // len(prompts.texts))
    values = normalised_scores(sources, raw, texts).reshape(*shape, len(sources))

    def grid(values: list) -> list[list]:
        return [values[start : start + shape[1]] for start in range(0, len(values), shape[1])]

    return Rollouts(
        prompts=prompts.texts,
        responses=grid(texts),
        token_ids=grid([answer.token_ids for answer in answers]),
        truncated=np.array([answer.truncated for answer in answers]).reshape(shape),
        rewards=values[:, :, : len(rewards)],
        metrics=values[:, :, len(rewards) :],
        raw={source.spec.name: raw[:, index].reshape(shape) for index, source in enumerate(sources)},
    )


def write_rollouts(
    path: Path, rollouts: Rollouts, reward_names: list[str], metric_names: list[str], **columns: np.ndarray
) -> None:
    """Write rollouts as Parquet: `palm.evaluation.responses.response_table` and further columns.

    ``reward_NAME`` and ``metric_NAME`` are normalised scores, ``raw_NAME`` scores before normalisation.

    Args:
        columns: further values per response, each of shape (p, n).
    """
    table = {
        **response_table(
            rollouts.prompts,
            [text for texts in rollouts.responses for text in texts],
            [ids for row in rollouts.token_ids for ids in row],
            rollouts.truncated.ravel(),
        ),
        **{f"reward_{name}": rollouts.rewards[:, :, i].ravel() for i, name in enumerate(reward_names)},
        **{f"metric_{name}": rollouts.metrics[:, :, i].ravel() for i, name in enumerate(metric_names)},
        **{f"raw_{name}": values.ravel() for name, values in rollouts.raw.items()},
        **{name: values.ravel() for name, values in columns.items()},
    }
    pd.DataFrame(table).to_parquet(path, index=False)


def read_rollouts(path: Path, reward_names: list[str], metric_names: Sequence[str] = ()) -> Rollouts:
    """Read the file of `write_rollouts`; DataError if the file is missing, or lacks a column."""
    try:
        table = pd.read_parquet(path)
        rewards = [table[f"reward_{name}"] for name in reward_names]
        metrics = [table[f"metric_{name}"] for name in metric_names]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            str(path),
            rule=f"is not a table of scored rollouts ({error})",
            remedy="make it with the step sample_reference or evaluate_policies",
        ) from error
    samples = int(table["sample"].max()) + 1
    shape = (len(table) // samples, samples)

    def grid(column: pd.Series) -> list[list]:
        values = column.tolist()
        return [values[start : start + samples] for start in range(0, len(values), samples)]

    def stack(parts: list) -> np.ndarray:
        return np.stack([part.to_numpy().reshape(shape) for part in parts], axis=2) if parts else np.empty((*shape, 0))

    return Rollouts(
        prompts=[row[0] for row in grid(table["prompt"])],
        responses=grid(table["response"]),
        token_ids=[[[int(i) for i in ids] for ids in row] for row in grid(table["token_ids"])],
        truncated=table["truncated"].to_numpy().reshape(shape),
        rewards=stack(rewards),
        metrics=stack(metrics),
    )
