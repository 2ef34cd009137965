"""Training a policy on this machine, and checking the result."""

import time
from importlib.metadata import version
from pathlib import Path

from palm.builds.launch.processes import fit_policy_in_processes, needs_processes
from palm.builds.launch.request import TrainingRecord
from palm.training.run import FittedPolicy, check_policy, fit_policy
from palm.training.task import LoadedTask

_LIBRARIES = ("torch", "transformers", "trl", "peft")


def fit_here(loaded: LoadedTask, folder: Path) -> FittedPolicy:
    """`palm.training.run.fit_policy` by as many processes of this machine as the settings ask for."""
    fit = fit_policy_in_processes if needs_processes(loaded.task.settings) else fit_policy
    return fit(loaded, folder)


def train_here(loaded: LoadedTask, folder: Path) -> TrainingRecord:
    """Train a policy into a folder and compare it with the reference; errors as of `fit_here`."""
    start = time.perf_counter()
    fitted = fit_here(loaded, folder)
    gain, guard = check_policy(loaded, folder, step=fitted.steps)
    return TrainingRecord(
        steps=fitted.steps,
        metrics=fitted.metrics,
        guard=fitted.guard or guard,
        resumed_from_step=fitted.resumed_from_step,
        objective_gain=gain,
        training_seconds=time.perf_counter() - start,
        versions={name: version(name) for name in _LIBRARIES},
    )
