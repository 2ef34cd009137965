"""Evaluation of a policy on the held-out prompts: scores, divergence, objective, diversity."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palm.artifacts.evaluation import Evaluation
from palm.artifacts.policy import Policy
from palm.config.portfolio import PortfolioConfig
from palm.evaluation.diversity import Answers, within_policy
from palm.evaluation.responses import EMBEDDINGS, Responses, read_embeddings, write_embeddings
from palm.evaluation.rollouts import Rollouts, read_rollouts, scored, write_rollouts
from palm.evaluation.summary import summarise_policy
from palm.models.prompts import PromptSet
from palm.rewards.scoring import raw_scores
from palm.rewards.source import RewardSource

SAMPLES = "samples.parquet"
"""Scored responses, in the folder of an evaluation."""


@dataclass(frozen=True, eq=False)
class MeasuredPolicy:
    """Measurements of a policy, n responses to each of p prompts.

    Attributes:
        divergences: sequence KL of each response, in nats, shape (p, n).
        objectives: w·r − β KL of each response, shape (p, n).
        embeddings: shape (p, n, width); None without an embedding model.
    """

    evaluation: Evaluation
    rollouts: Rollouts
    divergences: np.ndarray
    objectives: np.ndarray
    embeddings: np.ndarray | None


def measure_policy(
    policy: Policy,
    responses: Responses,
    *,
    config: PortfolioConfig,
    prompts: PromptSet,
    rewards: list[RewardSource],
    metrics: list[RewardSource],
    reference: Rollouts,
    embeddings: np.ndarray | None,
) -> MeasuredPolicy:
    """Score a policy's responses and summarise them.

    Args:
        policy: its weights define the objective.
        responses: n responses to each of the p prompts.
        prompts: held-out prompts with the fields that rewards use, length p.
        rewards: objectives, length d.
        reference: scored responses of the base model to the same prompts.
        embeddings: of the responses, shape (p, n, width); None compares token n-grams.
    """
    divergences = responses.divergences
    raw = raw_scores([*rewards, *metrics], prompts.repeat(divergences.shape[1]), responses.texts)
    rollouts = scored(prompts, responses.answers, raw, rewards, metrics)
    evaluation = summarise_policy(
        policy,
        rollouts,
        divergences,
        reference,
        within_policy(_answers(rollouts, embeddings), ngrams=config.evaluation.distinct_ngrams),
        beta=config.beta,
        seed=config.evaluation.seed,
        reward_names=config.reward_names,
        metric_names=[metric.name for metric in config.metrics],
    )
    objectives = rollouts.rewards @ np.array(policy.weights) - config.beta * divergences
    return MeasuredPolicy(evaluation, rollouts, divergences, objectives, embeddings)


def write_evaluation(folder: Path, measured: MeasuredPolicy) -> None:
    """Write a policy's measurements.

    evaluation.json is the summary. samples.parquet has a row per response with the columns of `write_rollouts`
    and ``policy`` (name), ``weight_NAME`` (preference weights of the policy), ``length`` (tokens, end token
    included), ``kl`` (sequence KL to the reference, nats) and ``objective`` (w·r − β KL). embeddings.safetensors,
    written if an embedding model is configured, has the array ``embeddings``, float32, shape (p, n, width), zero for
    an empty response.
    """
    evaluation, shape = measured.evaluation, measured.divergences.shape
    weights = zip(evaluation.rewards, evaluation.weights, strict=True)
    write_rollouts(
        folder / SAMPLES,
        measured.rollouts,
        list(evaluation.rewards),
        list(evaluation.metrics),
        policy=np.full(shape, evaluation.policy, dtype=object),
        **{f"weight_{name}": np.full(shape, weight) for name, weight in weights},
        length=measured.rollouts.lengths,
        kl=measured.divergences,
        objective=measured.objectives,
    )
    if measured.embeddings is not None:
        write_embeddings(folder / EMBEDDINGS, measured.embeddings)
    evaluation.write(folder)


def read_answers(folder: Path, reward_names: list[str]) -> Answers:
    """Read the responses that a policy's diversity is computed from.

    Args:
        folder: written by `write_evaluation`.

    Returns:
        The answers, with embeddings if there are any.
    """
    rollouts = read_rollouts(folder / SAMPLES, reward_names)
    embedded = (folder / EMBEDDINGS).exists()
    return _answers(rollouts, read_embeddings(folder / EMBEDDINGS) if embedded else None)


def _answers(rollouts: Rollouts, embeddings: np.ndarray | None) -> Answers:
    """Responses without end tokens, which would count as similarity."""
    return Answers(
        [
            [ids if cut else ids[:-1] for ids, cut in zip(row, row_cut, strict=True)]
            for row, row_cut in zip(rollouts.token_ids, rollouts.truncated, strict=True)
        ],
        embeddings,
    )
