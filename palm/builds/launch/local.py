"""Training a policy on this machine, and checking what came out."""

import time
from importlib.metadata import version
from pathlib import Path

from palm.builds.launch.processes import fit_policy_in_processes, needs_processes
from palm.training.objective import Problem

_LIBRARIES = ("torch", "transformers", "trl", "peft")


def fit_here(problem: Problem, folder: Path) -> dict:
    """`palm.training.run.fit_policy` by as many processes of this machine as the settings ask for.

    Args:
        problem: objective, data and settings.
        folder: folder to fill.

    Returns:
        What `fit_policy` returns.

    Raises:
        PreemptedError: this process was told to stop; a checkpoint is kept.
        TrainingError: training failed.
    """
    from palm.training.run import fit_policy

    fit = fit_policy_in_processes if needs_processes(problem.config) else fit_policy
    return fit(problem, folder)


def train_here(problem: Problem, folder: Path) -> dict:
    """Train a policy and compare it with the reference.

    Args:
        problem: objective, data and settings.
        folder: folder to fill, as by `palm.training.run.fit_policy`.

    Returns:
        JSON-able: what `fit_policy` and `check_policy` return, ``training_seconds`` and ``versions`` of libraries.

    Raises:
        PreemptedError: this process was told to stop; a checkpoint is kept.
        TrainingError: training failed.
    """
    from palm.training.run import check_policy

    start = time.perf_counter()
    fitted = fit_here(problem, folder)
    checked = check_policy(problem, folder, step=fitted["steps"])
    return {
        **fitted,
        "objective_gain": checked["objective_gain"],
        "guard": fitted["guard"] or checked["guard"],
        "training_seconds": time.perf_counter() - start,
        "versions": {name: version(name) for name in _LIBRARIES},
    }
