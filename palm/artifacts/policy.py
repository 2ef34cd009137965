"""policy.json and training_log.json: a trained policy and the log of its training."""

from typing import Any, ClassVar, Self

from pydantic import Field

from palm.artifacts.base import Artifact, Vector
from palm.artifacts.evaluation import Guard, Mean
from palm.errors import DataError


class Policy(Artifact):
    """A policy: the preference weights that it was trained for, and how.

    A trainer of your own sets ``policy``, ``weights`` and ``reward_names`` only.
    """

    FILE: ClassVar[str] = "policy.json"

    policy: str = Field(description="Content name.")
    weights: Vector = Field(description="Preference weights w, length d, in the order of reward_names.")
    reward_names: tuple[str, ...] = Field(description="Names of the objectives, length d.")
    beta: float | None = Field(default=None, description="β, reward units per nat of KL.")
    backend: str | None = Field(default=None, description="Training backend: rloo, grpo, rwr or soup.")
    seed: int | None = Field(default=None, description="Seed of the training.")
    start: str | None = Field(default=None, description="Earlier policy that the training started from.")
    palm_version: str | None = Field(default=None, description="Version of palm that trained it.")
    train_job: str | None = Field(default=None, description="TrainJob that trained it, where several nodes did.")
    steps: int | None = Field(default=None, ge=0, description="Optimiser steps done.")
    resumed_from_step: int | None = Field(
        default=None, ge=0, description="Step of the checkpoint that training resumed from."
    )
    metrics: dict[str, int | float] = Field(default={}, description="Last logged step: step, loss, reward, kl.")
    guard: Guard | None = Field(default=None, description="Guard that fired in training.")
    objective_gain: Mean | None = Field(default=None, description="J − J_ref on training prompts.")
    training_seconds: float | None = Field(default=None, ge=0, description="Wall-clock seconds of the training.")
    versions: dict[str, str] = Field(default={}, description="Versions of the libraries that trained it.")
    definition: dict[str, Any] | None = Field(
        default=None, description="Everything that the policy depends on; names it."
    )
    reused: bool | None = Field(
        default=None, description="Whether the build found it in the store; set in a build's copy."
    )
    device_seconds: float | None = Field(
        default=None, ge=0, description="Training time summed over all GPUs or processors; set in a build's copy."
    )

    def in_build(self, *, weights: Vector, reward_names: list[str], reused: bool) -> Self:
        """The copy of a build.

        Args:
            weights: preference weights under the objectives of the build, which may differ from those of the training.
            reused: whether the build found the policy in the store.

        Raises:
            DataError: the policy has no record of its training.
        """
        if self.training_seconds is None or self.definition is None:
            raise DataError(f"policy {self.policy}", rule="has no record of its training", remedy="train it with palm")
        return self.model_copy(
            update={
                "weights": tuple(weights),
                "reward_names": tuple(reward_names),
                "reused": reused,
                "device_seconds": self.training_seconds * self.definition["training"]["processes"],
            }
        )


class TrainingLog(Artifact):
    """Every logged step of a training."""

    FILE: ClassVar[str] = "training_log.json"

    steps: tuple[dict[str, Any], ...] = Field(description="One entry per logged step: step, loss, learning_rate, …")
