"""One node of a TrainJob: it fetches what it trains from, and trains with the others; the first one keeps the result.

Started as ``python3 -m palm.builds.launch.node ROOT PLACE`` in every pod; see `palm.builds.launch.train_job`.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from palm.builds.launch.local import fit_here, train_here
from palm.builds.launch.place import REQUEST, RESULT, TRAINED
from palm.builds.launch.processes import run_main
from palm.builds.launch.request import requested_problem
from palm.errors import StorageError, TrainingError
from palm.models.load import quiet_threads
from palm.progress import Stage, stage
from palm.storage.files import read_json, write_json
from palm.storage.store import Store
from palm.training.objective import Problem
from palm.training.preemption import preemption


def train_node(root: str, place: str) -> None:
    """Do this node's part of a training.

    Args:
        root: the store's root.
        place: prefix of the entries of this TrainJob in it.

    Raises:
        PreemptedError: SIGTERM came; a checkpoint is kept.
        PalmError: the runtime does not tell nodes of each other, an input is unusable or training failed.
    """
    quiet_threads()
    store, rank = Store(root), int(os.environ.get("PET_NODE_RANK", "0"))
    with (
        TemporaryDirectory() as scratch,
        preemption() as preempted,
        stage("train_policy", f"node {rank}") as progress,
    ):
        problem = _fetched_problem(store, place, Path(scratch), preempted, progress)
        _check_runtime(problem)
        folder = Path(scratch) / "policy"
        folder.mkdir()
        if rank > 0:
            fit_here(problem, folder)
            return
        write_json(folder / TRAINED, train_here(problem, folder))
        store.publish(f"{place}/{RESULT}", folder)


def _fetched_problem(
    store: Store, place: str, scratch: Path, preempted: Callable[[], bool], progress: Stage
) -> Problem:
    def fetched(key: str) -> Path:
        folder = scratch / key.replace("/", "-")
        if not store.fetch(key, folder):
            raise StorageError(
                f"{store.root}/{key}", rule="is not there any more", remedy="run the step train_policy again"
            )
        return folder

    request = read_json(fetched(f"{place}/{REQUEST}") / "request.json")
    return requested_problem(
        request,
        base_model=fetched(request["base_model"]),
        rollouts=fetched(request["rollouts"]),
        corners={index: fetched(policy) for index, policy in request["corners"].items()},
        start=None if request["start"] is None else fetched(request["start"]),
        scratch=scratch,
        preempted=preempted,
        on_step=progress.advance,
    )


def _check_runtime(problem: Problem) -> None:
    settings, told = problem.config.training, os.environ.get("PET_NNODES", "none")
    if told != str(settings.train_job.nodes):
        raise TrainingError(
            f"training.train_job.runtime={settings.train_job.runtime}",
            rule=f"tells its nodes of {told} nodes instead of {settings.train_job.nodes} (variable PET_NNODES)",
            remedy="name a runtime with the policy torch",
        )


if __name__ == "__main__":
    run_main(lambda: train_node(*sys.argv[1:]))
