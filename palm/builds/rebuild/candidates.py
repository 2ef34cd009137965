"""Candidates from an earlier build: policies measured under the present objectives."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palm.artifacts.base import Vector
from palm.artifacts.evaluation import Measurements
from palm.artifacts.plan import Plan
from palm.artifacts.policy import Policy
from palm.config.portfolio import PortfolioConfig
from palm.training.guards import is_worse_than_reference, kl_limit
from palm.training.task import TRAINING_REVISION

EVALUATIONS = "evaluations"
"""Folder of the step plan_training with the evaluations of earlier policies, each with its policy.json."""

SHORTFALL_TOLERANCE = 0.01
"""Relative increase of its shortfall up to which a policy is reused instead of trained again."""

_OBJECTIVE = {"rewards", "weights", "start"}
"""Keys of a policy's definition that describe its objective and its start, not its training."""


@dataclass(frozen=True, eq=False)
class EarlierPolicy:
    """A policy of an earlier build, whose rewards may have been others.

    Attributes:
        name: content name.
        weights: its preference weights, remapped to the present objectives, shape (d,).
        value_vector: a = R − β KL under the present rewards, shape (d,).
        shortfall: J* − J at its own weights, under the present rewards.
        shortfall_when_trained: the same under the rewards that it was trained for.
        worse_than_reference: whether J is below J_ref under the present rewards, by the guard's test.
        trained_alike: whether the configuration would train it the same way, except for the rewards.
        may_start: whether the configuration can fine-tune it: a policy gradient, an adapter of the same shape, and a KL
            within the limit.
    """

    name: str
    weights: np.ndarray
    value_vector: np.ndarray
    shortfall: float
    shortfall_when_trained: float
    worse_than_reference: bool
    trained_alike: bool
    may_start: bool

    @property
    def allowed_shortfall(self) -> float:
        """Largest shortfall at which it is reused."""
        # Where J* is estimated too low the shortfall is negative.
        return self.shortfall_when_trained + SHORTFALL_TOLERANCE * abs(self.shortfall_when_trained)


def earlier_policy(
    config: PortfolioConfig,
    policy: Policy,
    measured: Measurements,
    *,
    prompts: str,
    shortfall_when_trained: float,
    adapter: bool,
) -> EarlierPolicy:
    """Compare an earlier policy with the present configuration.

    Args:
        measured: its evaluation under the present rewards.
        prompts: digest of the training prompts.
        shortfall_when_trained: J* − J under the rewards that it was trained for.
        adapter: whether it is an adapter, not a whole model.
    """
    settings, definition = config.training, policy.definition or {}
    training = {key: value for key, value in definition.items() if key not in _OBJECTIVE}
    wanted = {
        **training,
        "training_revision": TRAINING_REVISION,
        "prompts": prompts,
        "beta": config.beta,
        "generation": config.generation.model_dump(),
        "reference": config.reference.model_dump(),
        "training": settings.fingerprint_settings,
    }
    trained = definition["training"]
    return EarlierPolicy(
        name=measured.policy,
        weights=np.array(measured.weights),
        value_vector=np.array(measured.value_vector),
        shortfall=measured.shortfall,
        shortfall_when_trained=shortfall_when_trained,
        worse_than_reference=is_worse_than_reference(measured.gain),
        trained_alike=training == wanted,
        # A soup's adapter has the summed rank of its corners.
        may_start=settings.backend in ("rloo", "grpo")
        and trained["backend"] != "soup"
        and trained["lora"] == (None if settings.lora is None else settings.lora.model_dump())
        and adapter == (settings.lora is not None)
        # Above the limit a guard would stop the training before its first checkpoint.
        and measured.kl.mean <= kl_limit(settings, config.beta),
    )


def earlier_evaluations(plan: Path | None) -> list[Path]:
    """Evaluation folders of the earlier policies that are candidates, in the order of the plan; none without a plan."""
    return [] if plan is None else [plan / EVALUATIONS / name for name in Plan.read(plan).earlier]


def remapped_weights(policy: Policy, reward_names: list[str]) -> Vector:
    """Preference weights of a policy under other objectives.

    Each objective that both have keeps its share and a new one has weight 0; if they share none, all weights are equal.
    """
    if list(policy.reward_names) == list(reward_names):
        return policy.weights
    before = dict(zip(policy.reward_names, policy.weights, strict=True))
    shares = np.array([before.get(name, 0.0) for name in reward_names])
    return tuple((shares / shares.sum() if shares.sum() > 0 else np.full(len(shares), 1 / len(shares))).tolist())
