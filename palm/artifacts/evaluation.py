"""reference.json and evaluation.json: the reference and a policy, measured on the held-out prompts."""

from typing import ClassVar, Literal

from pydantic import Field

from palm.artifacts.base import Artifact, Part, Vector


class Mean(Part):
    """A mean over prompts."""

    mean: float
    standard_error: float = Field(
        ge=0,
        description="Standard error over prompts, as responses to one prompt are not independent; 0 for one prompt.",
    )


class Guard(Part):
    """A guard that fired in training: the policy is marked."""

    kind: Literal["loss", "kl", "objective"] = Field(
        description="loss: not finite; kl: above the limit; objective: J below J_ref after training."
    )
    message: str
    step: int = Field(description="Optimiser steps done.")
    good_step: int = Field(description="Last step whose policy was seen to be good.")


class Scores(Part):
    """Rewards, metrics and lengths of sampled responses."""

    rewards: dict[str, Mean] = Field(description="Objective to its normalised reward, in [0, 1]; in weight order.")
    metrics: dict[str, Mean] = Field(description="Metric to its normalised score, in [0, 1].")
    response_tokens: Mean = Field(description="Length in tokens, end token included.")
    truncation_rate: float = Field(ge=0, le=1, description="Share of responses cut at the token limit.")


class Reference(Scores, Artifact):
    """The base model on the held-out prompts."""

    FILE: ClassVar[str] = "reference.json"


class DistinctShare(Mean):
    """Expected share of different n-grams among a fixed number of them."""

    prompts: int = Field(ge=1, description="Prompts with enough n-grams.")


class ResponseSpread(Part):
    """How different responses to the same prompt are."""

    vendi_score: Mean | None = Field(description="Effective number of different responses, from 1.")
    pairwise_distance: Mean | None = Field(description="1 − cosine of embeddings; null without embeddings or pairs.")
    distinct: dict[str, DistinctShare | None] = Field(
        description="n-gram size to the share of different ones among distinct_ngrams; null if no prompt has enough."
    )


class Diversity(ResponseSpread):
    """Diversity of one policy's responses."""

    kernel: str = Field(description="What the Vendi score compares: embeddings or token n-grams.")
    samples_per_prompt: int = Field(ge=1, description="Responses per prompt n, the largest Vendi score possible.")
    distinct_ngrams: int = Field(ge=1, description="n-grams of each prompt that are compared.")


class ShareInterval(Part):
    """Percentile bootstrap interval over prompts."""

    confidence: float = Field(gt=0, lt=1)
    low: float
    high: float


class Measurements(Scores):
    """Everything measured of a policy on the held-out prompts."""

    policy: str = Field(description="Content name.")
    weights: Vector = Field(description="Preference weights w, length d.")
    guard: Guard | None = Field(description="Guard that fired in training.")
    kl: Mean = Field(description="Sequence KL to the reference, nats.")
    regulariser: float = Field(description="β KL.")
    objective: Mean = Field(description="J = w·R − β KL.")
    objective_reference: Mean = Field(description="J_ref = w·R of the reference.")
    gain: Mean = Field(description="J − J_ref, paired by prompt.")
    objective_optimum: Mean = Field(description="Rollout estimate of J*.")
    optimum_bias: float = Field(description="About how much objective_optimum is too low.")
    effective_sample_size: float = Field(description="Of the estimate of J*, mean over prompts.")
    smallest_effective_sample_size: float = Field(description="Of the estimate of J*, on the worst prompt.")
    share_of_gain: float | None = Field(description="(J − J_ref) / (J* − J_ref); null where there is nothing to gain.")
    share_interval: ShareInterval | None = Field(description="Null where prompts are too few or too alike.")
    value_vector: Vector = Field(description="a = R − β KL, length d.")
    diversity: Diversity

    @property
    def shortfall(self) -> float:
        """J* − J at the policy's own weights; negative where J* is estimated too low."""
        return self.objective_optimum.mean - self.objective.mean


class Evaluation(Measurements, Artifact):
    """A policy on the held-out prompts."""

    FILE: ClassVar[str] = "evaluation.json"
