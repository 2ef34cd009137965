"""Policies measured on the held-out prompts, one after another over one base model."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palm.config import PortfolioConfig
from palm.errors import DataError
from palm.evaluation.diversity import Answers, within_policy
from palm.evaluation.rollouts import (
    Rollouts,
    read_rollouts,
    rollout_divergences,
    sample_rollouts,
    write_rollouts,
)
from palm.evaluation.summary import summarise_policy
from palm.models.embed import EmbeddingModel, embed_texts
from palm.models.load import LoadedModel
from palm.models.policies import PolicySet
from palm.models.prompts import PromptSet
from palm.rewards.source import RewardSource
from palm.storage.files import write_json

_JSON, _SAMPLES, _EMBEDDINGS = "evaluation.json", "samples.parquet", "embeddings.safetensors"


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


class PolicyEvaluator:
    """Measures any number of policies, the base model loaded once.

    A policy's measurements do not depend on which ones came before it: the samples are bit for bit the same.

    Args:
        base: the base model, which is the evaluator's from here on.
        config: the configuration.
        prompts: held-out prompts, length p.
        rewards: objectives, length d.
        metrics: further scores.
        reference: scored responses of the base model to the same prompts.
        embedding_model: for the diversity; None compares token n-grams.
    """

    def __init__(
        self,
        base: LoadedModel,
        *,
        config: PortfolioConfig,
        prompts: PromptSet,
        rewards: list[RewardSource],
        metrics: list[RewardSource],
        reference: Rollouts,
        embedding_model: EmbeddingModel | None,
    ):
        self._policies = PolicySet(base)
        self._config = config
        self._prompts, self._rewards, self._metrics = prompts, rewards, metrics
        self._reference = reference
        self._embedding_model = embedding_model

    def evaluate(
        self, policy: TrainedPolicy, *, on_batch: Callable[[int, int], None] = lambda done, total: None
    ) -> Evaluation:
        """Measure one policy, which takes memory only meanwhile.

        Args:
            policy: the policy.
            on_batch: called with (responses done, responses in all).

        Returns:
            Its measurements.

        Raises:
            ModelError: the folder holds no policy over the base model.
            RewardError: a reward misbehaves.
            DataError: the reference answered other prompts.
        """
        model = self._policies.add(policy.name, policy.folder)
        try:
            rollouts = sample_rollouts(
                model,
                self._prompts,
                self._rewards,
                self._metrics,
                config=self._config,
                samples=self._config.evaluation.samples_per_prompt,
                seed=self._config.evaluation.seed,
                on_batch=on_batch,
            )
            divergences = rollout_divergences(model, rollouts, batch_size=self._config.generation.batch_size)
        finally:
            self._policies.remove(policy.name)
        return self._measured(policy, rollouts, divergences)

    def _measured(self, policy: TrainedPolicy, rollouts: Rollouts, divergences: np.ndarray) -> Evaluation:
        config = self._config
        weights = np.array(policy.preference_weights)
        embeddings = None
        if self._embedding_model is not None:
            texts = [text for row in rollouts.responses for text in row]
            embeddings = embed_texts(self._embedding_model.folder, texts).reshape(*divergences.shape, -1)
        summary = summarise_policy(
            rollouts,
            divergences,
            self._reference,
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
        from safetensors.numpy import save_file

        save_file({"embeddings": evaluation.embeddings}, folder / _EMBEDDINGS)
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
    if not (folder / _EMBEDDINGS).exists():
        return _answers(rollouts, None)
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return _answers(rollouts, load_file(folder / _EMBEDDINGS)["embeddings"])
    except (OSError, KeyError, SafetensorError) as error:
        raise DataError(
            str(folder / _EMBEDDINGS), rule=f"holds no embeddings ({error})", remedy="evaluate the policy again"
        ) from error


def _answers(rollouts: Rollouts, embeddings: np.ndarray | None) -> Answers:
    """Responses without the end tokens, which all have in common."""
    return Answers(
        [
            [ids if cut else ids[:-1] for ids, cut in zip(row, row_cut, strict=True)]
            for row, row_cut in zip(rollouts.token_ids, rollouts.truncated, strict=True)
        ],
        embeddings,
    )
