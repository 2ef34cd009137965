"""One policy trained on several nodes: by a TrainJob that is created, watched and removed.

Its pods share no disk with this process. What they train from is put into the store, and what comes out is fetched
from there. The TrainJob's name is made from what is asked, so that a process that takes over from one that was killed
finds it and goes on watching.
"""

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path

from palm.builds.inputs import base_model_digest
from palm.builds.launch.kubernetes import Failure, TrainJobs
from palm.builds.launch.manifest import train_job_manifest
from palm.builds.launch.place import INPUTS, REQUEST, RESULT, TRAINED
from palm.builds.launch.processes import LastWords, last_words
from palm.builds.launch.request import needed_corners, training_request
from palm.builds.records import mark_use
from palm.errors import BuildError, PalmError, PreemptedError, TrainingError
from palm.storage.digest import folder_digest, value_digest
from palm.storage.files import read_json, write_json
from palm.storage.store import Store
from palm.training.objective import Problem

MANIFEST = "train_job.json"
"""File beside the policy that holds the TrainJob which trained it."""

_POLL_SECONDS, _LOOKS = 2.0, 8
"""How often the cluster is asked, and how often between two questions this process looks whether it is to stop."""

_SHOWN_PODS, _SHOWN_CHARACTERS = 3, 400

log = logging.getLogger(__name__)


def train_in_train_job(problem: Problem, folder: Path) -> dict:
    """Train a policy on the nodes of a TrainJob, as `palm.builds.launch.local.train_here` does on this machine.

    Args:
        problem: objective, data and settings.
        folder: folder to fill: the policy, its log and ``train_job.json``, the TrainJob.

    Returns:
        What `train_here` returns, and ``train_job``, the TrainJob's name.

    Raises:
        PreemptedError: this process or a node was told to stop, or somebody removed the TrainJob; the nodes keep a
            checkpoint.
        BuildError: a node failed, or time ran out.
        ClusterError: the cluster cannot be reached or refuses.
    """
    settings, store, cluster = problem.config.training, problem.checkpoints.store, TrainJobs()
    request = {
        **training_request(problem),
        "base_model": _shared(store, "base-model", problem.base_model, base_model_digest(problem.base_model)),
        "rollouts": _shared(store, "rollouts", problem.rollouts, folder_digest(problem.rollouts)),
        # Trained policies are in the store under their names.
        "corners": {
            index: read_json(path / "policy.json")["policy"] for index, path in needed_corners(problem).items()
        },
        "start": None if problem.start is None else read_json(problem.start / "policy.json")["policy"],
    }
    # With the checkpoints, and removed with them when the policy is in the store.
    place = f"{problem.checkpoints.place}/train-job-{value_digest(request)[:8]}"
    manifest = train_job_manifest(
        settings.train_job,
        problem.checkpoints.policy,
        namespace=cluster.namespace,
        image=settings.train_job.image or cluster.own_image(),
        command=["python3", "-m", "palm.builds.launch.node", store.root, place],
        processes=settings.processes,
    )
    watch = _Watch(cluster, manifest, problem)
    if not store.fetch(f"{place}/{RESULT}", folder):
        asked = problem.scratch / REQUEST
        write_json(asked / "request.json", request)
        store.publish(f"{place}/{REQUEST}", asked)
        watch.until_complete()
        if not store.fetch(f"{place}/{RESULT}", folder):
            raise watch.failed("is complete without a result in the store")
    cluster.delete(watch.name)
    trained = read_json(folder / TRAINED)
    (folder / TRAINED).unlink()
    write_json(folder / MANIFEST, manifest)
    return {**trained, "train_job": watch.name}


def _shared(store: Store, kind: str, folder: Path, digest: str) -> str:
    """Key of an entry with a folder's content, which all TrainJobs with the same inputs read; made if need be."""
    name = f"{kind}-{digest[:12]}"
    mark_use(store.root, f"{INPUTS}/{name}")
    if name not in store.entries(INPUTS):
        store.publish(f"{INPUTS}/{name}", folder)
    return f"{INPUTS}/{name}"


@dataclass
class _Watch:
    """Waits for a TrainJob.

    Attributes:
        cluster: where it runs.
        manifest: the TrainJob.
        problem: what it trains.
        failures: what was seen of nodes that failed: a failed node's pod may be gone when the TrainJob has failed.
    """

    cluster: TrainJobs
    manifest: dict
    problem: Problem
    failures: dict[str, tuple[Failure, LastWords]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.manifest["metadata"]["name"]

    def until_complete(self) -> None:
        deadline = time.monotonic() + self.problem.config.training.train_job.timeout_seconds
        self._start(deadline)
        shown = None
        while True:
            state = self.cluster.find(self.name)
            if state is None or state.phase == "leaving":
                raise self._preempted("was removed while it was being waited for")
            if state != shown:
                log.info("TrainJob %s/%s: %s %s", self.cluster.namespace, self.name, state.phase, state.message)
                shown = state
            self._note_failures()
            if state.phase == "complete":
                return
            if state.phase == "failed":
                raise self._ended(state.message)
            self._pause(deadline)

    def _start(self, deadline: float) -> None:
        """Create the TrainJob, unless it is running already; one that failed is made anew."""
        while True:
            state = self.cluster.find(self.name)
            if state is None:
                self.cluster.create(self.manifest)
                return
            if state.phase in ("active", "suspended"):
                log.info("TrainJob %s/%s: is there already", self.cluster.namespace, self.name)
                return
            if state.phase != "leaving":
                self.cluster.delete(self.name)
            self._pause(deadline)

    def _pause(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            waiting = self.cluster.waiting(self.name)
            self.cluster.delete(self.name)
            raise self.failed(
                f"did not end within timeout_seconds={self.problem.config.training.train_job.timeout_seconds}"
                + (f" ({waiting})" if waiting else "")
            )
        for _ in range(_LOOKS):
            if self.problem.preempted():
                self.cluster.delete(self.name)
                raise self._preempted("was removed because this process was told to stop by SIGTERM")
            time.sleep(_POLL_SECONDS / _LOOKS)

    def _note_failures(self) -> None:
        for failure in self.cluster.failures(self.name):
            known = self.failures.get(failure.pod)
            if known is None or known[0].finished_at != failure.finished_at:
                words = last_words(self.cluster.log(failure))
                log.warning("pod %s ended with exit code %d: %s", failure.pod, failure.exit_code, words.text)
                self.failures[failure.pod] = (failure, words)

    def _ended(self, message: str) -> PalmError:
        seen = sorted(self.failures.values(), key=lambda seen: seen[0].finished_at)
        if any(failure.exit_code == PreemptedError.exit_code for failure, _ in seen):
            return self._preempted("ended because a node was told to stop by SIGTERM")
        told = [
            f"{failure.pod} with exit code {failure.exit_code}: {words.text[:_SHOWN_CHARACTERS]}"
            for failure, words in seen[:_SHOWN_PODS]
        ]
        for_good = any(words.for_good for _, words in seen)
        return self.failed(f"failed ({'; '.join([message, *told])})", TrainingError if for_good else BuildError)

    def failed(self, rule: str, kind: type[PalmError] = BuildError) -> PalmError:
        # Where no node says otherwise a machine may have failed, and then a retry helps.
        return kind(
            f"TrainJob {self.cluster.namespace}/{self.name}",
            rule=rule,
            remedy=f"see `kubectl describe trainjob,pods --namespace {self.cluster.namespace}`; run again to go on "
            "from the last checkpoint",
        )

    def _preempted(self, rule: str) -> PreemptedError:
        return PreemptedError(
            f"TrainJob {self.cluster.namespace}/{self.name}",
            rule=rule,
            remedy="run it again to go on from the last checkpoint",
        )
