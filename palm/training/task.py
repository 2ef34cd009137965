"""The training task of a policy: a scalarised objective and the legs that lead to its optimum."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palm.artifacts.base import Part
from palm.config.portfolio import Generation, PortfolioConfig, Reference, Registry
from palm.config.rewards import Reward
from palm.config.training import Backend, Training
from palm.geometry.preferences.simplex import check_preference_weights
from palm.models.prompts import PromptSet
from palm.rewards.source import RewardSource
from palm.storage.digest import value_digest
from palm.training.checkpoints import Checkpoints

TRAINING_REVISION = 1
"""Part of every policy's name and of the inputs of a build. Raise it with any change after which the same inputs give
other results."""


class ActiveReward(Part):
    """A reward with a positive weight: its configuration before calibration, its fingerprint, its weight."""

    spec: Reward
    fingerprint: str
    weight: float


class Objective(Part):
    """J_w: the weighted rewards minus β times the KL divergence to the base model, over the training prompts.

    Attributes:
        base_model: digest of the base model's files.
        dtype: number format of the base model.
        prompts: file of the training prompts, or its s3:// address.
        prompts_digest: digest of that file.
        active_rewards: the rewards with a positive weight, in weight order. Training must not depend on the others,
            not even through rounding.
        registry: where rewards that are MLflow models are loaded from.
        reference: sampling of the reference rollouts.
    """

    base_model: str
    dtype: str
    prompts: str
    prompts_digest: str
    active_rewards: tuple[ActiveReward, ...]
    registry: Registry
    beta: float
    generation: Generation
    reference: Reference

    @property
    def weights(self) -> np.ndarray:
        """Weights of the active rewards, shape (a,)."""
        return np.array([reward.weight for reward in self.active_rewards])

    @property
    def reward_names(self) -> list[str]:
        """Names of the active rewards, length a."""
        return [reward.spec.name for reward in self.active_rewards]


class Leg(Part):
    """One part of a training. It starts from the policy of the leg before, the first one from the base model.

    Attributes:
        backend: what trains the policy.
        steps: policy-gradient steps; the number for `rwr` follows from its data, and `soup` does not train.
        start: name of an earlier policy that the leg starts from instead.
        corners: names of the policies that a soup interpolates, one for each active reward.
    """

    backend: Backend
    steps: int | None = None
    start: str | None = None
    corners: tuple[str, ...] = ()


class TrainingTask(Part):
    """Everything that decides a policy.

    Attributes:
        objective: what the policy maximises.
        legs: parts of the training, in order.
        settings: the section `training` of the configuration, shared by the legs.
    """

    objective: Objective
    legs: tuple[Leg, ...]
    settings: Training

    @property
    def definition(self) -> dict:
        """All that the trained weights depend on, JSON-able.

        Rewards are fingerprinted by content, not by name, so that other rewards of the build do not matter.
        """
        objective, last = self.objective, self.legs[-1]
        definition = {
            "training_revision": TRAINING_REVISION,
            "base_model": objective.base_model,
            "dtype": objective.dtype,
            "prompts": objective.prompts_digest,
            "rewards": [[reward.fingerprint, round(reward.weight, 12)] for reward in objective.active_rewards],
            "beta": objective.beta,
            "generation": objective.generation.model_dump(),
            "reference": objective.reference.model_dump(),
            "training": self.settings.fingerprint_settings,
        }
        return definition if last.start is None else definition | {"start": {"policy": last.start, "steps": last.steps}}

    @property
    def name(self) -> str:
        """Content name of the policy: ``policy-`` and 12 digits of the definition's sha256."""
        return f"policy-{value_digest(self.definition)[:12]}"

    @property
    def training_dtype(self) -> str:
        """Number format of the weights while training: where all are trained, bfloat16 would round off most updates."""
        return self.objective.dtype if self.settings.lora is not None else "float32"

    @property
    def corners(self) -> "tuple[TrainingTask, ...]":
        """Tasks of the corner policies that a leg interpolates, one for each active reward; empty without a soup."""
        return _corners(self.objective, self.settings) if any(leg.corners for leg in self.legs) else ()


def training_task(
    config: PortfolioConfig,
    weights: Sequence[float],
    *,
    base_model: str,
    prompts: str,
    rewards: list[str],
    start: str = "",
) -> TrainingTask:
    """Define the training of the policy for some preference weights.

    Args:
        base_model: digest of the base model's files.
        prompts: digest of the training prompts.
        rewards: fingerprints of the rewards, length d.
        start: name of the earlier policy that the training starts from; empty: as the settings say.
    """
    shares = check_preference_weights(weights, len(config.rewards)).tolist()
    objective = Objective(
        base_model=base_model,
        dtype=config.base_model.dtype,
        prompts=config.prompts.train,
        prompts_digest=prompts,
        active_rewards=tuple(
            ActiveReward(spec=spec, fingerprint=fingerprint, weight=share)
            for spec, fingerprint, share in zip(config.rewards, rewards, shares, strict=True)
            if share > 0
        ),
        registry=config.registry,
        beta=config.beta,
        generation=config.generation,
        reference=config.reference,
    )
    return _task(objective, config.training, start or None, config.rebuild.steps)


def _task(
    objective: Objective, settings: Training, start: str | None = None, steps_from_start: int | None = None
) -> TrainingTask:
    steps = settings.steps if start is None else steps_from_start or -(-settings.steps // 2)
    warm_start = () if start or settings.start == "none" else (settings.start,)
    legs = tuple(
        Leg(
            backend=backend,
            steps=steps if backend in ("rloo", "grpo") else None,
            start=start,
            corners=tuple(task.name for task in _corners(objective, settings)) if backend == "soup" else (),
        )
        for backend in (*warm_start, settings.backend)
    )
    return TrainingTask(objective=objective, legs=legs, settings=settings)


def _corners(objective: Objective, settings: Training) -> tuple[TrainingTask, ...]:
    return tuple(
        _task(
            objective.model_copy(update={"active_rewards": (reward.model_copy(update={"weight": 1.0}),)}),
            settings.of_corners,
        )
        for reward in objective.active_rewards
    )


@dataclass(frozen=True)
class LoadedTask:
    """A training task with its inputs on this machine.

    Attributes:
        task: objective, legs and settings.
        rewards: the active rewards, length a.
        rollouts: folder of the scored reference rollouts.
        policies: folders of the policies that legs start from, by name.
        scratch: folder for the trainers' own files.
        preempted: whether this process has been told to stop.
        on_step: called with (step, steps, note).
    """

    task: TrainingTask
    base_model: Path
    prompts: PromptSet
    rewards: list[RewardSource]
    rollouts: Path
    policies: dict[str, Path]
    scratch: Path
    checkpoints: Checkpoints
    preempted: Callable[[], bool]
    on_step: Callable[[int, int, str], None]


@dataclass(frozen=True)
class Start:
    """The weights that a leg starts from, a `policy_state`, or the checkpoint that it resumes from.

    Without both it starts from the base model.
    """

    state: dict | None = None
    checkpoint: Path | None = None


@dataclass(frozen=True)
class TrainingResult:
    """The result of a leg: the PEFT model, or the model itself; the entries of its log; optimiser steps done."""

    model: object
    log: list[dict]
    steps: int
