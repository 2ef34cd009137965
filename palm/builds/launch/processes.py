"""One policy trained by several processes, one GPU each, on this machine.

PyTorch's launcher starts this module once a process; TRL's trainers find the others through accelerate.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from palm.builds.launch.request import needed_corners, requested_problem, training_request
from palm.config.portfolio import PortfolioConfig
from palm.config.training import Training
from palm.errors import BuildError, PalmError, PreemptedError, TrainingError
from palm.progress import stage
from palm.storage.files import read_json, write_json
from palm.training.objective import Problem
from palm.training.preemption import preemption

_POLL_SECONDS = 0.5
_LINES_OF_ERROR = 5
_TOLD, _FOR_GOOD = "palm: ", "palm, for good: "
_GRACE_SECONDS, _MARGIN_SECONDS = 30, 10
"""What PyTorch's launcher gives its processes, and what it is given beyond that itself."""


def needs_processes(config: PortfolioConfig) -> bool:
    """Whether a training needs a launcher: several processes, or one that must not take all GPUs it sees.

    Args:
        config: the configuration.
    """
    if config.training.world_size > 1:
        return True
    import torch

    return torch.cuda.device_count() > 1


def fit_policy_in_processes(problem: Problem, folder: Path) -> dict:
    """`palm.training.run.fit_policy` by ``training.processes`` processes of this machine.

    On a node of a TrainJob they train together with those of the other nodes, and every node gets the policy.

    Args:
        problem: objective, data and settings.
        folder: folder to fill.

    Returns:
        What `fit_policy` returns.

    Raises:
        PreemptedError: this process was told to stop; the others were told as well, and a checkpoint is kept.
        TrainingError: a process failed.
    """
    request, outcome = problem.scratch / "request.json", problem.scratch / "outcome.json"
    write_json(
        request,
        {
            **training_request(problem),
            "base_model": str(problem.base_model),
            "rollouts": str(problem.rollouts),
            "corners": {index: str(corner) for index, corner in needed_corners(problem).items()},
            "start": None if problem.start is None else str(problem.start),
            "scratch": str(problem.scratch),
            "folder": str(folder),
            "outcome": str(outcome),
        },
    )
    log = problem.scratch / "processes.log"
    launcher = _launcher(problem.config.training)
    with log.open("w") as stream:
        process = subprocess.Popen([*launcher, "-m", __name__, str(request)], stderr=stream)
        try:
            _wait(process, problem)
        finally:
            _end(process, _grace_seconds(problem.config.training))
    if not outcome.exists():
        raise _failure(problem, log, process.returncode)
    return read_json(outcome)


def _launcher(settings: Training) -> list[str]:
    # The runtime tells a TrainJob's nodes of each other in variables named PET_…, which PyTorch's launcher reads.
    where = ["--standalone"] if settings.train_job is None else []
    return [
        sys.executable,
        "-m",
        "torch.distributed.run",
        *where,
        f"--nproc-per-node={settings.processes}",
        f"--shutdown-timeout={_grace_seconds(settings)}",
    ]


def _grace_seconds(settings: Training) -> int:
    """Seconds that the processes have after SIGTERM, before the launcher and then this process end them."""
    return _GRACE_SECONDS if settings.train_job is None else settings.train_job.grace_seconds - _MARGIN_SECONDS


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


def _end(process: subprocess.Popen, grace_seconds: int) -> None:
    """Leave no process behind, whatever ended the wait."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace_seconds + _MARGIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _failure(problem: Problem, log: Path, code: int) -> Exception:
    what = f"training of {problem.checkpoints.policy} by {problem.config.training.world_size} processes"
    if problem.preempted():
        return PreemptedError(
            what, rule="was told to stop by SIGTERM", remedy="run it again to go on from the last checkpoint"
        )
    text = log.read_text(errors="replace")
    sys.stderr.write(text)
    words = last_words(text)
    return (TrainingError if words.for_good else BuildError)(
        what, rule=f"failed with exit code {code} ({words.text})", remedy="see the log above"
    )


@dataclass(frozen=True)
class LastWords:
    """What a process that failed said of it.

    Attributes:
        text: in one line.
        for_good: whether it said that no retry mends it; a process that was killed or lost its GPU says nothing.
    """

    text: str
    for_good: bool


def last_words(log: str) -> LastWords:
    """Find in a log what `run_main` has written there.

    Args:
        log: the end of a process's log.

    Returns:
        The first error that it tells of, else its last few lines.
    """
    for line in log.splitlines():
        for prefix in (_FOR_GOOD, _TOLD):
            if line.startswith(prefix):
                return LastWords(line.removeprefix(prefix), prefix == _FOR_GOOD)
    return LastWords(" / ".join(log.strip().splitlines()[-_LINES_OF_ERROR:]), for_good=False)


def _train_as_one_of_several(request: dict) -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    else:
        # Without a GPU the processes find each other only if they are told to compute on processors.
        os.environ["ACCELERATE_USE_CPU"] = "true"

    from palm.training.run import fit_policy

    first, scratch = int(os.environ["LOCAL_RANK"]) == 0, Path(request["scratch"])
    # Every process ends with the same policy; a machine keeps one copy of it.
    folder = Path(request["folder"]) if first else scratch / f"copy-{os.environ['RANK']}"
    folder.mkdir(exist_ok=True)
    with stage("train_policy", f"process {os.environ['RANK']}") as progress, preemption() as preempted:
        problem = requested_problem(
            request,
            base_model=Path(request["base_model"]),
            rollouts=Path(request["rollouts"]),
            corners={index: Path(corner) for index, corner in request["corners"].items()},
            start=None if request["start"] is None else Path(request["start"]),
            scratch=scratch,
            preempted=preempted,
            on_step=progress.advance,
        )
        fitted = fit_policy(problem, folder)
    if first:
        write_json(Path(request["outcome"]), fitted)


def run_main(main: Callable[[], None]) -> None:
    """Run the main function of a process that trains, and end with the exit code and the line that others read.

    Args:
        main: does the work.
    """
    logging.basicConfig(stream=sys.stdout, format="[palm %(asctime)s %(levelname)s]: %(message)s")
    # One process speaks for all that do the same; what libraries tell of themselves helps nobody.
    logging.getLogger("palm").setLevel(logging.INFO if os.environ.get("RANK", "0") == "0" else logging.WARNING)
    try:
        main()
    except PreemptedError as error:
        sys.exit(error.exit_code)
    except Exception as error:
        hopeless = isinstance(error, PalmError) and not error.retry_may_help
        sys.stderr.write(f"{_FOR_GOOD if hopeless else _TOLD}{' '.join(str(error).split())}\n")
        raise


if __name__ == "__main__":
    run_main(lambda: _train_as_one_of_several(read_json(Path(sys.argv[1]))))
