"""One node of a TrainJob: it fetches the inputs and trains with the other nodes; the first one stores the result.

Started as ``python3 -m palm.builds.launch.node ROOT PLACE`` in every pod; see `palm.builds.launch.train_job`.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from palm.builds.launch.local import fit_here, train_here
from palm.builds.launch.processes import run_main
from palm.builds.launch.request import REQUEST, RESULT, TrainingRequest, load_request
from palm.config.train_job import TrainJobSettings
from palm.errors import StorageError, TrainingError
from palm.models.load import quiet_threads
from palm.progress import stage
from palm.storage.store import Store
from palm.training.preemption import preemption


def train_node(root: str, place: str) -> None:
    """Do this node's part of the training whose entries are below a place in the store."""
    quiet_threads()
    store, rank = Store(root), int(os.environ.get("PET_NODE_RANK", "0"))
    with TemporaryDirectory() as name, preemption() as preempted, stage("train_policy", f"node {rank}") as progress:
        scratch = Path(name)

        def fetched(key: str) -> Path:
            folder = scratch / key.replace("/", "-")
            if not store.fetch(key, folder):
                raise StorageError(
                    f"{root}/{key}", rule="does not exist any more", remedy="run the step train_policy again"
                )
            return folder

        request = TrainingRequest.read(fetched(f"{place}/{REQUEST}"))
        loaded = load_request(request, fetched, scratch=scratch, preempted=preempted, on_step=progress.advance)
        _check_runtime(loaded.task.settings.train_job)
        folder = scratch / "policy"
        folder.mkdir()
        if rank > 0:
            fit_here(loaded, folder)
            return
        train_here(loaded, folder).write(folder)
        store.publish(f"{place}/{RESULT}", folder)


def _check_runtime(settings: TrainJobSettings) -> None:
    nodes = os.environ.get("PET_NNODES", "none")
    if nodes != str(settings.nodes):
        raise TrainingError(
            f"training.train_job.runtime={settings.runtime}",
            rule=f"tells its nodes of {nodes} nodes instead of {settings.nodes} (variable PET_NNODES)",
            remedy="name a runtime with the policy torch",
        )


if __name__ == "__main__":
    run_main(lambda: train_node(*sys.argv[1:]))
