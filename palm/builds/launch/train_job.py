"""One policy trained on several nodes: by a TrainJob that is created, watched and removed.

Its pods share no disk with this process: inputs and result pass through the store. The TrainJob's name is made from
the request, so that a process that takes over from one that was killed finds it and goes on watching.
"""

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path

from palm.builds.inputs import base_model_digest
from palm.builds.launch.kubernetes import Failure, TrainJobs
from palm.builds.launch.manifest import INPUTS, train_job_manifest
from palm.builds.launch.processes import LoggedError, logged_error
from palm.builds.launch.request import REQUEST, RESULT, TrainingRecord, training_request
from palm.builds.records import mark_use
from palm.errors import BuildError, PalmError, PreemptedError, TrainingError
from palm.storage.digest import folder_digest, value_digest
from palm.storage.files import write_json
from palm.storage.store import Store
from palm.training.task import LoadedTask

MANIFEST = "train_job.json"
"""File beside the policy with the TrainJob that trained it."""

_POLL_SECONDS, _LOOKS = 2.0, 8
"""Time between two questions to the cluster, and how often this process checks meanwhile whether it is to stop."""

_SHOWN_PODS, _SHOWN_CHARACTERS = 3, 400

log = logging.getLogger(__name__)


def train_in_train_job(loaded: LoadedTask, folder: Path) -> TrainingRecord:
    """Train a policy on the nodes of a TrainJob, as `palm.builds.launch.local.train_here` does on this machine.

    The folder gets the policy, its log and ``train_job.json``, the TrainJob.

    Raises:
        PreemptedError: SIGTERM came to this process or a node, or the TrainJob was removed; a checkpoint is kept.
        BuildError: a node failed, or time ran out.
    """
    settings, store, cluster = loaded.task.settings, loaded.checkpoints.store, TrainJobs()
    request = training_request(
        loaded,
        base_model=_shared(store, "base-model", loaded.base_model, base_model_digest(loaded.base_model)),
        rollouts=_shared(store, "rollouts", loaded.rollouts, folder_digest(loaded.rollouts)),
        # Trained policies are in the store under their names.
        policies={name: name for name in loaded.policies},
    )
    # With the checkpoints, and removed with them when the policy is in the store.
    place = f"{loaded.checkpoints.place}/train-job-{value_digest(request.model_dump(mode='json'))[:8]}"
    manifest = train_job_manifest(
        settings.train_job,
        loaded.task.name,
        namespace=cluster.namespace,
        image=settings.train_job.image or cluster.own_image(),
        command=["python3", "-m", "palm.builds.launch.node", store.root, place],
        processes=settings.processes,
    )
    watch = _Watch(cluster, manifest, loaded)
    if not store.fetch(f"{place}/{RESULT}", folder):
        entry = loaded.scratch / REQUEST
        entry.mkdir()
        request.write(entry)
        store.publish(f"{place}/{REQUEST}", entry)
        watch.until_complete()
        if not store.fetch(f"{place}/{RESULT}", folder):
            raise watch.failed("is complete without a result in the store")
    cluster.delete(watch.name)
    record = TrainingRecord.read(folder)
    (folder / TrainingRecord.FILE).unlink()
    write_json(folder / MANIFEST, manifest)
    return record.model_copy(update={"train_job": watch.name})


def _shared(store: Store, kind: str, folder: Path, digest: str) -> str:
    """Key of the entry with a folder's content, which all TrainJobs with the same inputs read; made if missing."""
    key = f"{INPUTS}/{kind}-{digest[:12]}"
    mark_use(store.root, key)
    if not store.has(key):
        store.publish(key, folder)
    return key


@dataclass
class _Watch:
    """Waits for a TrainJob; failures of nodes are kept by pod, which may be gone when the TrainJob has failed."""

    cluster: TrainJobs
    manifest: dict
    loaded: LoadedTask
    failures: dict[str, tuple[Failure, LoggedError]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.manifest["metadata"]["name"]

    def until_complete(self) -> None:
        deadline = time.monotonic() + self.loaded.task.settings.train_job.timeout_seconds
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
        """Create the TrainJob, unless it is running already; one that failed is replaced."""
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
                f"did not end within timeout_seconds={self.loaded.task.settings.train_job.timeout_seconds}"
                + (f" ({waiting})" if waiting else "")
            )
        for _ in range(_LOOKS):
            if self.loaded.preempted():
                self.cluster.delete(self.name)
                raise self._preempted("was removed because this process was told to stop by SIGTERM")
            time.sleep(_POLL_SECONDS / _LOOKS)

    def _note_failures(self) -> None:
        for failure in self.cluster.failures(self.name):
            known = self.failures.get(failure.pod)
            if known is None or known[0].finished_at != failure.finished_at:
                logged = logged_error(self.cluster.log(failure))
                log.warning("pod %s ended with exit code %d: %s", failure.pod, failure.exit_code, logged.text)
                self.failures[failure.pod] = (failure, logged)

    def _ended(self, message: str) -> PalmError:
        seen = sorted(self.failures.values(), key=lambda seen: seen[0].finished_at)
        if any(failure.exit_code == PreemptedError.exit_code for failure, _ in seen):
            return self._preempted("ended because a node was told to stop by SIGTERM")
        shown = [
            f"{failure.pod} with exit code {failure.exit_code}: {logged.text[:_SHOWN_CHARACTERS]}"
            for failure, logged in seen[:_SHOWN_PODS]
        ]
        permanent = any(logged.permanent for _, logged in seen)
        return self.failed(f"failed ({'; '.join([message, *shown])})", TrainingError if permanent else BuildError)

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
