"""The training problem: one scalarised objective J_w over one base model, prompts and rewards."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palm.config.portfolio import PortfolioConfig
from palm.models.prompts import PromptSet
from palm.rewards.source import RewardSource
from palm.training.checkpoints import Checkpoints


@dataclass(frozen=True)
class Problem:
    """What every backend is given.

    Attributes:
        config: the configuration.
        preference_weights: w, shape (d,).
        base_model: folder of the reference policy.
        prompts: training prompts.
        rewards: the reward functions, length d.
        rollouts: folder of the scored reference rollouts.
        scratch: folder for the trainers' own files.
        checkpoints: where this training's checkpoints are kept.
        corner: the adapter folder of the policy for one reward alone, given its index; trained if need be.
        preempted: whether this process has been told to stop.
        on_step: called with (step, steps, note).
        start: folder of the earlier policy that the training starts from, in place of ``training.warm_start``; None for
            none.
        initial: state of the policy that the training starts from (`palm.training.adapters.policy_state`); None for the
            reference policy.
        resume: folder of the checkpoint that the training goes on from, or None.
    """

    config: PortfolioConfig
    preference_weights: np.ndarray
    base_model: Path
    prompts: PromptSet
    rewards: list[RewardSource]
    rollouts: Path
    scratch: Path
    checkpoints: Checkpoints
    corner: Callable[[int], Path]
    preempted: Callable[[], bool]
    on_step: Callable[[int, int, str], None]
    start: Path | None = None
    initial: dict | None = None
    resume: Path | None = None

    @property
    def weighing(self) -> list[int]:
        """Indices of the rewards that weigh in. Nothing of a training may depend on the others, not even a rounding."""
        return np.flatnonzero(self.preference_weights > 0).tolist()

    @property
    def weighing_names(self) -> list[str]:
        """Names of the rewards that weigh in."""
        return [self.config.reward_names[index] for index in self.weighing]

    @property
    def bfloat16(self) -> bool:
        """Whether to compute in bfloat16."""
        return self.config.base_model.dtype == "bfloat16"


@dataclass(frozen=True)
class Trained:
    """What every backend returns.

    Attributes:
        model: the PEFT model with the trained adapter; with full fine-tuning the model itself.
        log: the trainer's log, one dict a logged step.
        steps: optimiser steps done.
    """

    model: object
    log: list[dict]
    steps: int
