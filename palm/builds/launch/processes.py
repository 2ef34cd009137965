"""One policy trained by several processes, one GPU each, on this machine.

PyTorch's launcher starts this module once per process; TRL's trainers find the others through accelerate.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from palm.builds.launch.request import TrainingRequest, load_request, training_request
from palm.config.training import Training
from palm.errors import BuildError, PalmError, PreemptedError, TrainingError
from palm.progress import stage
from palm.training.preemption import preemption
from palm.training.run import FittedPolicy, fit_policy
from palm.training.task import LoadedTask

_POLL_SECONDS = 0.5
_LINES_OF_ERROR = 5
_FAILED, _FAILED_PERMANENTLY = "palm: ", "palm, permanently: "
_GRACE_SECONDS, _MARGIN_SECONDS = 30, 10
"""Time that PyTorch's launcher gives its processes, and time that it is given itself beyond that."""


def needs_processes(settings: Training) -> bool:
    """Whether a training needs a launcher: several processes, or one that must not take all GPUs it sees."""
    if settings.world_size > 1:
        return True
    import torch

    return torch.cuda.device_count() > 1


def fit_policy_in_processes(loaded: LoadedTask, folder: Path) -> FittedPolicy:
    """`palm.training.run.fit_policy` by ``training.processes`` processes of this machine.

    On a node of a TrainJob they train together with those of the other nodes, and every node gets the policy.
    """
    scratch, settings = loaded.scratch, loaded.task.settings
    training_request(
        loaded,
        base_model=str(loaded.base_model),
        rollouts=str(loaded.rollouts),
        policies={name: str(place) for name, place in loaded.policies.items()},
    ).write(scratch)
    log = scratch / "processes.log"
    with log.open("w") as stream:
        process = subprocess.Popen([*_launcher(settings), "-m", __name__, str(scratch), str(folder)], stderr=stream)
        try:
            _wait(process, loaded.preempted)
        finally:
            _end(process, _grace_seconds(settings))
    if not (scratch / FittedPolicy.FILE).exists():
        raise _failure(loaded, log, process.returncode)
    return FittedPolicy.read(scratch)


def _launcher(settings: Training) -> list[str]:
    # The runtime sets variables PET_… on a TrainJob's nodes, by which PyTorch's launcher finds the other nodes.
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


def _wait(process: subprocess.Popen, preempted: Callable[[], bool]) -> None:
    terminated = False
    while True:
        try:
            process.wait(_POLL_SECONDS)
            return
        except subprocess.TimeoutExpired:
            if preempted() and not terminated:
                process.terminate()
                terminated = True


def _end(process: subprocess.Popen, grace_seconds: int) -> None:
    """Leave no process behind, however the wait ended."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace_seconds + _MARGIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _failure(loaded: LoadedTask, log: Path, code: int) -> Exception:
    what = f"training of {loaded.task.name} by {loaded.task.settings.world_size} processes"
    if loaded.preempted():
        return PreemptedError(
            what, rule="was told to stop by SIGTERM", remedy="run it again to go on from the last checkpoint"
        )
    text = log.read_text(errors="replace")
    sys.stderr.write(text)
    logged = logged_error(text)
    return (TrainingError if logged.permanent else BuildError)(
        what, rule=f"failed with exit code {code} ({logged.text})", remedy="see the log above"
    )


@dataclass(frozen=True)
class LoggedError:
    """The error that a failed process logged, in one line.

    Attributes:
        permanent: whether it says that a retry does not help; a process that was killed or lost its GPU says nothing.
    """

    text: str
    permanent: bool


def logged_error(log: str) -> LoggedError:
    """The first error that `run_main` wrote to a log, else the log's last few lines."""
    for line in log.splitlines():
        for prefix in (_FAILED_PERMANENTLY, _FAILED):
            if line.startswith(prefix):
                return LoggedError(line.removeprefix(prefix), prefix == _FAILED_PERMANENTLY)
    return LoggedError(" / ".join(log.strip().splitlines()[-_LINES_OF_ERROR:]), permanent=False)


def _train_as_one_of_several(scratch: Path, folder: Path) -> None:
    import torch

    rank, first = os.environ["RANK"], os.environ["LOCAL_RANK"] == "0"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    else:
        # Without a GPU the processes find each other only with this setting.
        os.environ["ACCELERATE_USE_CPU"] = "true"
    # Every process ends with the same policy; a machine keeps one copy of it.
    target = folder if first else scratch / f"copy-{rank}"
    target.mkdir(exist_ok=True)
    with stage("train_policy", f"process {rank}") as progress, preemption() as preempted:
        loaded = load_request(
            TrainingRequest.read(scratch), Path, scratch=scratch, preempted=preempted, on_step=progress.advance
        )
        fitted = fit_policy(loaded, target)
    if first:
        fitted.write(scratch)


def run_main(main: Callable[[], None]) -> None:
    """Run the main function of a process that trains; its exit code and log are those that `logged_error` reads."""
    logging.basicConfig(stream=sys.stdout, format="[palm %(asctime)s %(levelname)s]: %(message)s")
    # One process reports for all that do the same; other libraries' logs help nobody.
    logging.getLogger("palm").setLevel(logging.INFO if os.environ.get("RANK", "0") == "0" else logging.WARNING)
    try:
        main()
    except PreemptedError as error:
        sys.exit(error.exit_code)
    except Exception as error:
        permanent = isinstance(error, PalmError) and not error.retry_may_help
        sys.stderr.write(f"{_FAILED_PERMANENTLY if permanent else _FAILED}{' '.join(str(error).split())}\n")
        raise


if __name__ == "__main__":
    run_main(lambda: _train_as_one_of_several(*map(Path, sys.argv[1:])))
