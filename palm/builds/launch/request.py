"""A training problem as a file, for processes that share no memory with the one that has it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from palm import __version__
from palm.builds.inputs import load_inputs
from palm.config.load import parse_config
from palm.errors import TrainingError
from palm.storage.store import Store
from palm.training.checkpoints import Checkpoints
from palm.training.objective import Problem


def training_request(problem: Problem) -> dict:
    """What another process needs in order to train a policy, apart from files.

    Args:
        problem: objective, data and settings.

    Returns:
        JSON-able.
    """
    return {
        "palm": __version__,
        "config": problem.config.to_json(),
        "weights": problem.preference_weights.tolist(),
        "policy": problem.checkpoints.policy,
    }


def needed_corners(problem: Problem) -> dict[str, Path]:
    """Adapter folders of the corner policies that a soup is made of, trained if need be; empty where there is none.

    Args:
        problem: objective, data and settings.

    Returns:
        Index of the reward, as text, to folder.
    """
    soup = "soup" in problem.config.training.backends
    needed = [index for index, weight in enumerate(problem.preference_weights) if soup and weight > 0]
    return {str(index): problem.corner(index) for index in needed}


def requested_problem(
    request: dict,
    *,
    base_model: Path,
    rollouts: Path,
    corners: dict[str, Path],
    start: Path | None,
    scratch: Path,
    preempted: Callable[[], bool],
    on_step: Callable[[int, int, str], None],
) -> Problem:
    """The problem that was asked for, with files of this machine.

    Args:
        request: made by `training_request`.
        base_model: folder of the reference policy.
        rollouts: folder of the scored reference rollouts.
        corners: what `needed_corners` gives.
        start: folder of the earlier policy that the training starts from, or None.
        scratch: folder for the trainers' own files.
        preempted: whether this process has been told to stop.
        on_step: called with (step, steps, note).

    Returns:
        The problem.

    Raises:
        TrainingError: another version of palm asks.
        PalmError: an input is unusable here.
    """
    if request["palm"] != __version__:
        raise TrainingError(
            f"palm {__version__}",
            rule=f"is asked by palm {request['palm']} to train {request['policy']}",
            remedy="use one image for the step and for training.train_job",
        )
    config = parse_config(request["config"])
    inputs = load_inputs(config, rollouts)
    return Problem(
        config=config,
        preference_weights=np.array(request["weights"]),
        base_model=base_model,
        prompts=inputs.train,
        rewards=inputs.rewards,
        rollouts=rollouts,
        scratch=scratch,
        checkpoints=Checkpoints(Store(config.storage.root), request["policy"], config.training.checkpoint_steps),
        corner=lambda index: corners[str(index)],
        start=start,
        preempted=preempted,
        on_step=on_step,
    )
