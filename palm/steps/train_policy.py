"""Step: one policy for one vector of preference weights."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from palm import __version__
from palm.artifacts.policy import Policy
from palm.builds.inputs import Inputs, base_model_digest, load_inputs
from palm.builds.launch.local import train_here
from palm.builds.launch.train_job import train_in_train_job
from palm.builds.reuse import fetch_entry, reuse_or_make
from palm.config.portfolio import PortfolioConfig
from palm.errors import TrainingError
from palm.models.load import quiet_threads
from palm.progress import Stage, stage, weights_label
from palm.storage.digest import file_digest
from palm.storage.local_file import local_file
from palm.storage.store import Store
from palm.training.checkpoints import Checkpoints
from palm.training.objective import Problem
from palm.training.preemption import preemption
from palm.training.spec import PolicySpec, corner_config, policy_spec


def train_policy(
    config: PortfolioConfig,
    weights: list[float],
    keep: str = "",
    start: str = "",
    *,
    base_model: Path,
    rollouts: Path,
    destination: Path,
) -> Policy:
    """Train the policy of some preference weights, unless the store has it already.

    Args:
        config: the configuration.
        weights: preference weights, length d.
        keep: name of an earlier policy in the store that is taken as it is; empty to train.
        start: name of an earlier policy in the store that the training starts from; empty for none.
        base_model: prepared base model.
        rollouts: folder of the step sample_reference.
        destination: folder to make: PEFT adapter (a whole model with full fine-tuning), policy.json, training_log.json
            and, if nodes of a cluster have trained it, train_job.json.

    Returns:
        The content of policy.json, with the weights under their present names, ``reused``: whether the store had it,
        and ``device_seconds``: what its training took, or had taken, on all devices together.

    Raises:
        PreemptedError: SIGTERM came; a checkpoint is kept and the same call goes on from it.
        PalmError: an input is unusable or training diverged.
    """
    quiet_threads()
    with stage("train_policy", weights_label(weights)) as progress, preemption() as preempted:
        if keep:
            reused = True
            fetch_entry(config.storage.root, keep, destination)
        else:
            task = _Task(config, load_inputs(config, rollouts), base_model, rollouts, preempted, progress)
            reused = task.reuse_or_train(weights, destination, start)
    # A policy does not depend on rewards of weight zero: it may be from a build that had others.
    policy = Policy.read(destination).in_build(weights=weights, reward_names=config.reward_names, reused=reused)
    policy.write(destination)
    return policy


@dataclass(frozen=True)
class _Task:
    """What the policy and, for a soup, its corner policies are trained from."""

    config: PortfolioConfig
    inputs: Inputs
    base_model: Path
    rollouts: Path
    preempted: Callable[[], bool]
    progress: Stage

    def reuse_or_train(self, weights: list[float], destination: Path, start: str = "") -> bool:
        spec = policy_spec(
            self.config,
            weights,
            base_model=base_model_digest(self.base_model),
            prompts=file_digest(local_file(self.config.prompts.train)),
            rewards=[source.fingerprint for source in self.inputs.rewards],
            start=start,
        )
        store = Store(self.config.storage.root)
        checkpoints = Checkpoints(store, spec.name, self.config.training.checkpoint_steps)

        def make(folder: Path) -> None:
            with TemporaryDirectory() as scratch:
                problem = self._problem(spec, checkpoints, Path(scratch))
                _train(_from_earlier(problem, start) if start else problem, spec, start, folder)

        reused = reuse_or_make(store, "policy", spec.definition, destination, make)
        # Also of a policy that was there already: a process may have been killed between publishing and this.
        checkpoints.discard()
        return reused

    def _problem(self, spec: PolicySpec, checkpoints: Checkpoints, scratch: Path) -> Problem:
        def corner(index: int) -> Path:
            unit = np.eye(len(spec.preference_weights))[index].tolist()
            place = scratch / f"corner-{index}"
            replace(self, config=corner_config(self.config)).reuse_or_train(unit, place)
            corner = Policy.read(place)
            if corner.guard is not None:
                raise TrainingError(
                    f"corner policy {corner.policy} of a soup",
                    rule=f"is marked by a guard: {corner.guard.message}",
                    remedy=f"lower the learning rate of {self.config.training.soup.corners}",
                )
            return place

        return Problem(
            config=self.config,
            preference_weights=spec.preference_weights,
            base_model=self.base_model,
            prompts=self.inputs.train,
            rewards=self.inputs.rewards,
            rollouts=self.rollouts,
            scratch=scratch,
            checkpoints=checkpoints,
            corner=corner,
            preempted=self.preempted,
            on_step=self.progress.advance,
        )


def _from_earlier(problem: Problem, start: str) -> Problem:
    """The same problem, begun at an earlier policy, with as many steps as that needs."""
    config, folder = problem.config, problem.scratch / "start"
    fetch_entry(config.storage.root, start, folder)
    training = config.training.model_copy(update={"steps": config.steps_from_earlier})
    return replace(problem, config=config.model_copy(update={"training": training}), start=folder)


def _train(problem: Problem, spec: PolicySpec, start: str, folder: Path) -> None:
    config = problem.config
    train = train_here if config.training.launcher == "pod" else train_in_train_job
    trained = train(problem, folder)
    Policy(
        policy=spec.name,
        weights=spec.preference_weights.tolist(),
        reward_names=config.reward_names,
        beta=config.beta,
        backend=config.training.backend,
        seed=config.training.seed,
        start=start or None,
        palm_version=__version__,
        definition=spec.definition,
        **trained,
    ).write(folder)
