"""Training time of a build: spent on the policies that it trained, saved by those that it reused."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

from palm.artifacts.base import Part
from palm.artifacts.policy import Policy
from palm.progress import weights_label


class Trained(BaseModel):
    """Fields of a result of train_policy that count here (see `palm.artifacts.policy.Policy`)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    weights: tuple[float, ...]
    reused: bool
    start: str | None
    device_seconds: float
    guard: dict[str, Any] | None


class TrainingSpent(Part):
    """Sums over the trainings of a build (see `palm.artifacts.summary.Summary`)."""

    trained: tuple[str, ...]
    continued: tuple[str, ...]
    reused: tuple[str, ...]
    device_seconds: float
    device_seconds_saved: float


def training_spent(policies: Iterable[Trained | Policy]) -> TrainingSpent:
    """Sum over the trainings of a build, one per weight vector."""
    policies = list(policies)
    trained = [policy for policy in policies if not policy.reused]
    reused = [policy for policy in policies if policy.reused]
    return TrainingSpent(
        trained=[weights_label(policy.weights) for policy in trained],
        continued=[weights_label(policy.weights) for policy in trained if policy.start],
        reused=[weights_label(policy.weights) for policy in reused],
        device_seconds=sum(policy.device_seconds for policy in trained),
        device_seconds_saved=sum(policy.device_seconds for policy in reused),
    )
