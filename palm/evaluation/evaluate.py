"""What a policy's responses to the held-out prompts are worth: scores, divergence, objective, diversity."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palm.config.portfolio import PortfolioConfig
from palm.evaluation.diversity import Answers, within_policy
from palm.evaluation.embeddings import EMBEDDINGS, read_embeddings, write_embeddings
from palm.evaluation.responses import Responses
from palm.evaluation.rollouts import Rollouts, read_rollouts, scored, write_rollouts
from palm.evaluation.summary import summarise_policy
from palm.models.prompts import PromptSet
from palm.rewards.scoring import raw_scores
from palm.rewards.source import RewardSource
from palm.storage.files import write_json

_JSON, _SAMPLES = "evaluation.json", "samples.parquet"


@dataclass(frozen=True)
class TrainedPolicy:
    """A policy to be measured.

    Attributes:
        name: content name.
        preference_weights: w that it was trained for, length d.
        folder: PEFT adapter or whole model.
        guard: what stopped its training (`palm.training.guards.Guard` as a dict), or None.
    """

    name: str
    preference_weights: list[float]
    folder: Path
    guard: dict | None = None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A policy's measurements.

    Attributes:
        policy: what was measured.
        rollouts: its scored responses, n to each of p prompts.
        divergences: sequence KL of each, in nats, shape (p, n).
        objectives: w·r − β KL of each, shape (p, n).
        embeddings: of each response, shape (p, n, width); None without an embedding model.
        record: content of evaluation.json.
    """

    policy: TrainedPolicy
    rollouts: Rollouts
    divergences: np.ndarray
    objectives: np.ndarray
    embeddings: np.ndarray | None
    record: dict


def measure_policy(
    policy: TrainedPolicy,
    responses: Responses,
    *,
    config: PortfolioConfig,
    prompts: PromptSet,
    rewards: list[RewardSource],
    metrics: list[RewardSource],
    reference: Rollouts,
    embeddings: np.ndarray | None,
) -> Evaluation:
    """Score a policy's responses, and compute all that is reported of it.

    Args:
        policy: the policy.
        responses: what it answered, n responses to each of the p prompts.
        config: the configuration.
        prompts: held-out prompts with the fields that rewards use, length p.
        rewards: objectives, length d.
        metrics: further scores.
        reference: scored responses of the base model to the same prompts.
        embeddings: of the responses, shape (p, n, width); None compares token n-grams.

    Returns:
        Its measurements.

    Raises:
        RewardError: a reward misbehaves.
        DataError: the reference answered other prompts.
    """
    divergences, weights = responses.divergences, np.array(policy.preference_weights)
    raw = raw_scores([*rewards, *metrics], prompts.repeat(divergences.shape[1]), responses.texts)
    rollouts = scored(prompts, responses.answers, raw, rewards, metrics)
    summary = summarise_policy(
        rollouts,
        divergences,
        reference,
        weights,
        beta=config.beta,
        seed=config.evaluation.seed,
        reward_names=config.reward_names,
        metric_names=[metric.name for metric in config.metrics],
    )
    diversity = within_policy(_answers(rollouts, embeddings), ngrams=config.evaluation.distinct_ngrams)
    return Evaluation(
        policy,
        rollouts,
        divergences,
        rollouts.rewards @ weights - config.beta * divergences,
        embeddings,
        {
            "policy": policy.name,
            "weights": weights.tolist(),
            "guard": policy.guard,
            **summary,
            "diversity": diversity,
        },
    )


def write_evaluation(folder: Path, evaluation: Evaluation, *, reward_names: list[str], metric_names: list[str]) -> None:
    """Write a policy's measurements.

    evaluation.json is the record. samples.parquet has a row for each response with the columns of `write_rollouts`
    and ``policy`` (name), ``weight_NAME`` (the preference weights that it was trained for), ``length`` (tokens, the
    end token counted), ``kl`` (sequence KL to the reference, nats) and ``objective`` (w·r − β KL).
    embeddings.safetensors, there if an embedding model is configured, has the array ``embeddings``, float32, shape
    (p, n, width), zero for an empty response.

    Args:
        folder: where to.
        evaluation: what to write.
        reward_names: length d.
        metric_names: length m.
    """
    shape, policy = evaluation.divergences.shape, evaluation.policy
    write_rollouts(
        folder / _SAMPLES,
        evaluation.rollouts,
        reward_names,
        metric_names,
        policy=np.full(shape, policy.name, dtype=object),
        **{
            f"weight_{name}": np.full(shape, weight)
            for name, weight in zip(reward_names, policy.preference_weights, strict=True)
        },
        length=evaluation.rollouts.lengths,
        kl=evaluation.divergences,
        objective=evaluation.objectives,
    )
    if evaluation.embeddings is not None:
        write_embeddings(folder / EMBEDDINGS, evaluation.embeddings)
    write_json(folder / _JSON, evaluation.record)


def read_answers(folder: Path, reward_names: list[str]) -> Answers:
    """Read what a policy's diversity is computed from.

    Args:
        folder: what `write_evaluation` filled.
        reward_names: length d.

    Returns:
        The answers, with embeddings if there are any.

    Raises:
        DataError: a file is missing or malformed.
    """
    rollouts = read_rollouts(folder / _SAMPLES, reward_names)
    embedded = (folder / EMBEDDINGS).exists()
    return _answers(rollouts, read_embeddings(folder / EMBEDDINGS) if embedded else None)


def _answers(rollouts: Rollouts, embeddings: np.ndarray | None) -> Answers:
    """Responses without the end tokens, which all have in common."""
    return Answers(
        [
            [ids if cut else ids[:-1] for ids, cut in zip(row, row_cut, strict=True)]
            for row, row_cut in zip(rollouts.token_ids, rollouts.truncated, strict=True)
        ],
        embeddings,
    )
