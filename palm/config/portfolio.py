"""The configuration of a build: a frozen tree of validated sections."""

import re
from typing import Literal

import yaml
from pydantic import Field, field_validator, model_validator

from palm.config.base import Section
from palm.config.base_model import BaseModelSource
from palm.config.cluster import Cluster
from palm.config.registry import Registry
from palm.config.rewards import Reward
from palm.config.storage import Storage
from palm.config.training import Training


class Prompts(Section):
    """JSONL files of prompts: each line an object with `prompt` and any further fields for the rewards."""

    train: str = Field(description="JSONL file of prompts that policies are trained on, or its s3:// address.")
    eval: str = Field(
        description="JSONL file of held-out prompts that every policy is evaluated on, or its s3:// address."
    )


class Design(Section):
    """The preference weights that are trained (docs/method.md, cells and grids)."""

    strategy: str = Field(
        description="minimal (fewest vectors), palm (the paper's grid), predicted (the best few by rollouts of the "
        "reference), weights (given ones), uniform or random (the paper's baselines)."
    )
    epsilon: float = Field(ge=0, lt=1, description="ε' of Lemma 3.2: relative reach of a vector's cell.")
    delta: float = Field(ge=0, lt=1, description="δ' of Lemma 3.2: absolute reach of a vector's cell.")
    size: int | None = Field(
        None,
        ge=1,
        description="Number of vectors: required by predicted, random and uniform; a cap for palm and minimal.",
    )
    weights: list[list[float]] | None = Field(None, description="The vectors themselves; only with strategy weights.")
    time_limit_seconds: float = Field(120.0, gt=0, description="Time limit of minimal and predicted, in seconds.")
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of the random strategy.")


class Generation(Section):
    """Generation of responses, always at temperature 1, so that the policy itself is measured."""

    max_new_tokens: int = Field(ge=1, description="Longest response in tokens; a longer one is truncated.")
    batch_size: int = Field(64, ge=1, description="Responses generated or scored in one batch, outside training.")


class Reference(Section):
    """Scored rollouts of the reference policy: R(π_ref), the estimate of J* and the data of `rwr`."""

    samples_per_prompt: int = Field(32, ge=2, description="Responses per prompt.")
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of sampling.")


class Evaluation(Section):
    """Evaluation of each policy, on the same held-out prompts for all."""

    samples_per_prompt: int = Field(8, ge=1, description="Responses per held-out prompt.")
    seed: int = Field(1, ge=0, lt=2**32, description="Seed of sampling and resampling, the same for all policies.")
    distinct_ngrams: int = Field(
        42,
        ge=2,
        description="n-grams of each prompt's responses that distinct-n compares; a fixed number, so that the "
        "value does not fall with the length (42 as in HD-D, McCarthy and Jarvis 2010).",
    )
    embedding_model: str | None = Field(
        None,
        min_length=1,
        description="Transformer that embeds responses for their diversity: a folder, a hub id (NAME@REVISION) or an "
        "s3:// prefix, with safetensors weights; unset, responses are compared by their token n-grams.",
    )

    @field_validator("embedding_model")
    @classmethod
    def _names_a_revision(cls, source: str | None) -> str | None:
        if source is not None and not re.match(r"s3://|[./]|[^@]+@[^@]+$", source):
            raise ValueError("must be a folder (starting with . or /), a hub id as NAME@REVISION, or an s3:// prefix")
        return source


class SelectionSettings(Section):
    """Selection of the portfolio from the trained policies."""

    size: int = Field(ge=1, description="Largest number of policies in the portfolio, K.")
    method: Literal["exact", "greedy"] = Field("exact", description="exact: proven optimal; greedy: the paper's.")
    delta: float = Field(0.0, ge=0, description="Additive slack δ of the portfolio guarantee, in units of J.")
    time_limit_seconds: float = Field(
        60.0, gt=0, description="Time limit of the exact selection, and again of the curve of all sizes, in seconds."
    )


class Promotion(Section):
    """The gate of the alias `champion`; it compares confidence bounds over prompts, never estimates."""

    max_epsilon: float = Field(ge=0, le=1, description="Largest upper bound of the certified worst-case gap ε.")
    max_loss: float = Field(
        0.02,
        ge=0,
        description="Largest loss of the best value J of any preference against the champion, in units of J, under the "
        "current rewards: its upper bound over all preferences.",
    )
    min_gain: float = Field(
        0.0,
        le=1,
        description="Smallest gain over the reference, in units of J, as a mean over all preferences: its lower bound. "
        "No preference may lose more than max_loss against the reference either. Below 0, for trials that train next "
        "to nothing, any preference may lose as much.",
    )
    min_metrics: dict[str, float] = Field(
        {},
        description="Name of a metric to the smallest mean of every policy of the portfolio: its lower bound. A metric "
        "that no reward trains detects reward hacking.",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence level of each bound separately.")


class Rebuild(Section):
    """Reuse of the champion's policies when the inputs of a build have changed."""

    from_champion: bool = Field(
        True,
        description="Evaluate the champion's policies under the current rewards, as candidates for the portfolio. Keep "
        "those that are as close to the optimum as after their training; start the other trainings from the best.",
    )
    steps: int | None = Field(
        None,
        ge=1,
        description="Policy-gradient steps of a training that starts from an earlier policy; unset: half of "
        "training.steps.",
    )


class PortfolioConfig(Section):
    """Everything that defines a portfolio."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128, description="Name of the portfolio.")
    base_model: BaseModelSource = Field(description="The reference policy.")
    prompts: Prompts = Field(description="Training and held-out prompts.")
    rewards: tuple[Reward, ...] = Field(min_length=2, max_length=8, description="The objectives, in weight order.")
    metrics: tuple[Reward, ...] = Field((), description="Scores that are reported, never trained or weighted.")
    beta: float = Field(gt=0, description="β: price of one nat of sequence-level KL to the reference, in reward units.")
    design: Design = Field(description="Preference weights to train.")
    generation: Generation = Field(description="Response generation.")
    reference: Reference = Field(Reference(), description="Rollouts of the reference policy.")
    training: Training = Field(description="Training of each policy.")
    evaluation: Evaluation = Field(Evaluation(), description="Evaluation of each policy.")
    selection: SelectionSettings = Field(description="Choice of the portfolio.")
    registry: Registry = Field(description="MLflow.")
    rebuild: Rebuild = Field(Rebuild(), description="Reuse of the champion's policies.")
    promotion: Promotion = Field(description="Promotion gate.")
    storage: Storage = Field(description="Storage of trained policies.")
    cluster: Cluster = Field(Cluster(), description="Pods of a run in a cluster.")

    @model_validator(mode="after")
    def _names_are_unique(self):
        names = [reward.name for reward in (*self.rewards, *self.metrics)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(
                    f"rewards and metrics: the name {name!r} is used {names.count(name)} times; "
                    "every name must be unique"
                )
        return self

    @model_validator(mode="after")
    def _gate_knows_its_metrics(self):
        known = [metric.name for metric in self.metrics]
        unknown = sorted(set(self.promotion.min_metrics) - set(known))
        if unknown:
            raise ValueError(f"promotion.min_metrics: {unknown[0]!r} is none of the metrics {known}")
        return self

    @property
    def reward_names(self) -> list[str]:
        """Names of the objectives, in the order of the preference weights."""
        return [reward.name for reward in self.rewards]

    def to_json(self) -> str:
        """The configuration as JSON text, as a run is given it: without ``cluster``, which its pipeline has."""
        return self.model_dump_json(exclude={"cluster"})

    def to_yaml(self) -> str:
        """The configuration as YAML text, as it is kept with a build: without ``cluster``, keys as declared."""
        return yaml.safe_dump(self.model_dump(mode="json", exclude={"cluster"}), sort_keys=False, allow_unicode=True)
