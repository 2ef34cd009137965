"""Files by which a training is passed to other processes and nodes, and its outcome back."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from palm.artifacts.base import Artifact
from palm.artifacts.evaluation import Mean
from palm.errors import TrainingError
from palm.models.prompts import read_prompts
from palm.rewards.calibration import read_calibration
from palm.rewards.source import load_reward
from palm.storage.store import Store
from palm.training.checkpoints import Checkpoints
from palm.training.run import FittedPolicy
from palm.training.task import TRAINING_REVISION, LoadedTask, TrainingTask

REQUEST, RESULT = "request", "result"
"""Entries, in the store, below a TrainJob's own prefix."""


class TrainingRequest(Artifact):
    """A training that another process is to do; for nodes its paths are names in the store.

    Attributes:
        training_revision: revision of the process that asks.
        policies: policies that legs start from, by name.
    """

    FILE: ClassVar[str] = "request.json"

    training_revision: int
    task: TrainingTask
    storage_root: str
    base_model: str
    rollouts: str
    policies: dict[str, str]


class TrainingRecord(FittedPolicy):
    """What a training and its check say about the policy; ``objective_gain`` is J − J_ref on training prompts."""

    FILE: ClassVar[str] = "trained.json"

    objective_gain: Mean
    training_seconds: float
    versions: dict[str, str]
    train_job: str | None = None


def training_request(
    loaded: LoadedTask, *, base_model: str, rollouts: str, policies: dict[str, str]
) -> TrainingRequest:
    """The request for a training whose inputs are where the other process can read them."""
    return TrainingRequest(
        training_revision=TRAINING_REVISION,
        task=loaded.task,
        storage_root=loaded.checkpoints.store.root,
        base_model=base_model,
        rollouts=rollouts,
        policies=policies,
    )


def load_request(
    request: TrainingRequest,
    path: Callable[[str], Path],
    *,
    scratch: Path,
    preempted: Callable[[], bool],
    on_step: Callable[[int, int, str], None],
) -> LoadedTask:
    """Load the inputs of a requested training; `path` gives the folder of an input that the request names."""
    task = request.task
    if request.training_revision != TRAINING_REVISION:
        raise TrainingError(
            f"training revision {TRAINING_REVISION}",
            rule=f"is asked by revision {request.training_revision} to train a policy",
            remedy="use one image for the step and for training.train_job",
        )
    rollouts = path(request.rollouts)
    objective = task.objective
    rewards = [load_reward(reward.spec, objective.registry) for reward in objective.active_rewards]
    return LoadedTask(
        task=task,
        base_model=path(request.base_model),
        prompts=read_prompts(objective.prompts),
        rewards=read_calibration(rollouts, rewards),
        rollouts=rollouts,
        policies={name: path(place) for name, place in request.policies.items()},
        scratch=scratch,
        checkpoints=Checkpoints(Store(request.storage_root), task.name),
        preempted=preempted,
        on_step=on_step,
    )
