"""One policy trained by several processes, one GPU each, on this machine.

PyTorch's launcher starts this module once a process; TRL's trainers find the others through accelerate.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from palm.config import PortfolioConfig
from palm.config_file import parse_config
from palm.errors import PreemptedError, TrainingError
from palm.progress import stage
from palm.stages.inputs import load_inputs
from palm.storage.files import read_json, write_json
from palm.storage.store import Store
from palm.training.checkpoints import Checkpoints
from palm.training.objective import Problem
from palm.training.preemption import preemption

_POLL_SECONDS = 0.5
_LINES_OF_ERROR = 5
_SECONDS_TO_END = 40.0
"""The launcher itself waits 30 s for its processes."""


def needs_processes(config: PortfolioConfig) -> bool:
    """Whether a training needs a launcher: several processes, or one that must not take all GPUs it sees.

    Args:
        config: the configuration.
    """
    import torch

    return config.training.processes > 1 or torch.cuda.device_count() > 1


def fit_policy_in_processes(problem: Problem, folder: Path) -> dict:
    """`palm.training.run.fit_policy` by ``training.processes`` processes.

    Args:
        problem: objective, data and settings.
        folder: folder to fill.

    Returns:
        What `fit_policy` returns.

    Raises:
        PreemptedError: this process was told to stop; the others were told as well, and a checkpoint is kept.
        TrainingError: a process failed.
    """
    settings = problem.config.training
    soup = "soup" in settings.backends
    needed = [i for i, weight in enumerate(problem.preference_weights) if soup and weight > 0]
    request, outcome = problem.scratch / "request.json", problem.scratch / "outcome.json"
    write_json(
        request,
        {
            "config": problem.config.to_json(),
            "weights": problem.preference_weights.tolist(),
            "base_model": str(problem.base_model),
            "rollouts": str(problem.rollouts),
            "policy": problem.checkpoints.policy,
            "corners": {str(i): str(problem.corner(i)) for i in needed},
            "scratch": str(problem.scratch),
            "folder": str(folder),
            "outcome": str(outcome),
        },
    )
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={settings.processes}"]
    log = problem.scratch / "processes.log"
    # Without a GPU the processes find each other only if they are told to compute on processors.
    environment = os.environ if _has_gpus() else {**os.environ, "ACCELERATE_USE_CPU": "true"}
    with log.open("w") as stream:
        process = subprocess.Popen([*launcher, "-m", __name__, str(request)], stderr=stream, env=environment)
        try:
            _wait(process, problem)
        finally:
            _end(process)
    if not outcome.exists():
        raise _failure(problem, log, process.returncode)
    return read_json(outcome)


def _has_gpus() -> bool:
    import torch

    return torch.cuda.is_available()


def _wait(process: subprocess.Popen, problem: Problem) -> None:
    told = False
    while True:
        try:
            process.wait(_POLL_SECONDS)
            return
        except subprocess.TimeoutExpired:
            if problem.preempted() and not told:
                process.terminate()
                told = True


def _end(process: subprocess.Popen) -> None:
    """Leave no process behind, whatever ended the wait."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _failure(problem: Problem, log: Path, code: int) -> Exception:
    what = f"training of {problem.checkpoints.policy} by {problem.config.training.processes} processes"
    if problem.preempted():
        return PreemptedError(
            what, rule="was told to stop by SIGTERM", remedy="run it again to go on from the last checkpoint"
        )
    text = log.read_text(errors="replace")
    sys.stderr.write(text)
    told = [line.removeprefix("palm: ") for line in text.splitlines() if line.startswith("palm: ")]
    last = " / ".join(told[:1] or text.strip().splitlines()[-_LINES_OF_ERROR:])
    return TrainingError(what, rule=f"failed with exit code {code} ({last})", remedy="see the log above")


def _main(request: dict) -> None:
    import torch

    from palm.training.run import fit_policy

    if _has_gpus():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    config = parse_config(request["config"])
    inputs = load_inputs(config, Path(request["rollouts"]))
    first = int(os.environ["RANK"]) == 0
    scratch = Path(request["scratch"])
    # Every process ends with the same policy; one copy of it is kept.
    folder = Path(request["folder"]) if first else scratch / f"copy-{os.environ['RANK']}"
    folder.mkdir(exist_ok=True)
    with stage("train_policy", f"process {os.environ['RANK']}") as progress, preemption() as preempted:
        problem = Problem(
            config=config,
            preference_weights=np.array(request["weights"]),
            base_model=Path(request["base_model"]),
            prompts=inputs.train,
            rewards=inputs.rewards,
            rollouts=Path(request["rollouts"]),
            scratch=scratch,
            checkpoints=Checkpoints(Store(config.storage.root), request["policy"], config.training.checkpoint_steps),
            corner=lambda index: Path(request["corners"][str(index)]),
            preempted=preempted,
            on_step=progress.advance,
        )
        fitted = fit_policy(problem, folder)
    if first:
        write_json(Path(request["outcome"]), fitted)


if __name__ == "__main__":
    try:
        _main(json.loads(Path(sys.argv[1]).read_text()))
    except PreemptedError as error:
        sys.exit(error.exit_code)
    except Exception as error:
        sys.stderr.write(f"palm: {error}\n")
        raise
