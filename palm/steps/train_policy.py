"""Step: one policy for one vector of preference weights."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from palm import __version__
from palm.artifacts.policy import Policy
from palm.builds.inputs import Inputs, base_model_digest, load_inputs
from palm.builds.launch.local import train_here
from palm.builds.launch.request import TrainingRecord
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
from palm.training.preemption import preemption
from palm.training.task import LoadedTask, TrainingTask, training_task


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
        weights: preference weights, length d.
        keep: name of an earlier policy in the store that is taken as it is; empty to train.
        start: name of an earlier policy in the store that the training starts from; empty for none.
        destination: folder to make: PEFT adapter (a whole model with full fine-tuning), policy.json, training_log.json
            and, if nodes of a cluster have trained it, train_job.json.

    Returns:
        The content of policy.json, with the weights under the present names of the rewards.

    Raises:
        PreemptedError: SIGTERM came; a checkpoint is kept and the same call goes on from it.
    """
    quiet_threads()
    with stage("train_policy", weights_label(weights)) as progress, preemption() as preempted:
        if keep:
            reused = True
            fetch_entry(config.storage.root, keep, destination)
        else:
            trainer = _Trainer(config, load_inputs(config, rollouts), base_model, rollouts, preempted, progress)
            reused = trainer.reuse_or_train(trainer.task(weights, start), destination)
    # A policy does not depend on rewards of weight zero: it may be from a build that had others.
    policy = Policy.read(destination).in_build(weights=weights, reward_names=config.reward_names, reused=reused)
    policy.write(destination)
    return policy


@dataclass(frozen=True)
class _Trainer:
    config: PortfolioConfig
    inputs: Inputs
    base_model: Path
    rollouts: Path
    preempted: Callable[[], bool]
    progress: Stage

    def task(self, weights: list[float], start: str) -> TrainingTask:
        return training_task(
            self.config,
            weights,
            base_model=base_model_digest(self.base_model),
            prompts=file_digest(local_file(self.config.prompts.train)),
            rewards=[source.fingerprint for source in self.inputs.rewards],
            start=start,
        )

    def reuse_or_train(self, task: TrainingTask, destination: Path) -> bool:
        checkpoints = Checkpoints(Store(self.config.storage.root), task.name)

        def make(folder: Path) -> None:
            with TemporaryDirectory() as scratch:
                loaded = self._load(task, checkpoints, Path(scratch))
                train = train_here if task.settings.launcher == "pod" else train_in_train_job
                self._policy(task, train(loaded, folder)).write(folder)

        reused = reuse_or_make(checkpoints.store, "policy", task.definition, destination, make)
        # Also for a policy that was there already: a process may have been killed between publishing and this.
        checkpoints.discard()
        return reused

    def _load(self, task: TrainingTask, checkpoints: Checkpoints, scratch: Path) -> LoadedTask:
        rewards = {source.spec.name: source for source in self.inputs.rewards}
        policies = {corner.name: self._corner(corner, scratch / corner.name) for corner in task.corners}
        for name in {leg.start for leg in task.legs if leg.start}:
            policies[name] = fetch_entry(self.config.storage.root, name, scratch / name)
        return LoadedTask(
            task=task,
            base_model=self.base_model,
            prompts=self.inputs.train,
            rewards=[rewards[name] for name in task.objective.reward_names],
            rollouts=self.rollouts,
            policies=policies,
            scratch=scratch,
            checkpoints=checkpoints,
            preempted=self.preempted,
            on_step=self.progress.advance,
        )

    def _corner(self, task: TrainingTask, folder: Path) -> Path:
        self.reuse_or_train(task, folder)
        guard = Policy.read(folder).guard
        if guard is not None:
            raise TrainingError(
                f"corner policy {task.name} of a soup",
                rule=f"is marked by a guard: {guard.message}",
                remedy=f"lower the learning rate of {task.settings.backend}",
            )
        return folder

    def _policy(self, task: TrainingTask, trained: TrainingRecord) -> Policy:
        objective, last = task.objective, task.legs[-1]
        weights = dict(zip(objective.reward_names, objective.weights.tolist(), strict=True))
        return Policy(
            policy=task.name,
            weights=[weights.get(name, 0.0) for name in self.config.reward_names],
            reward_names=self.config.reward_names,
            beta=objective.beta,
            backend=last.backend,
            seed=task.settings.seed,
            start=last.start,
            palm_version=__version__,
            definition=task.definition,
            **trained.model_dump(exclude={"schema_version"}),
        )
