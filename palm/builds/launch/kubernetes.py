"""TrainJobs in a namespace of a Kubernetes cluster, and the state of their pods."""

import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from palm.builds.launch.manifest import GROUP, NODE, PLURAL, VERSION
from palm.errors import ClusterError

_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_JOB_LABEL = "jobset.sigs.k8s.io/jobset-name"
"""Label of pods; Kubeflow Trainer names the JobSet like its TrainJob."""
_TIMEOUT = (5, 60)
"""Seconds to connect and to answer."""
_RETRIES, _FIRST_PAUSE_SECONDS = 6, 0.5
"""Pauses double, half a minute in all: long enough for an API server to restart."""
_LINES_OF_LOG = 200
_MISSING, _EXISTS = 404, 409
_PERMISSION = (
    "the service account needs get, create and delete of trainjobs.trainer.kubeflow.org, get and list of pods, get of "
    "pods/log; Kubeflow Trainer must be installed"
)


@dataclass(frozen=True)
class TrainJobState:
    """State of a TrainJob; its message is the controller's and may be empty.

    Suspended ones wait, for instance in a queue; active ones wait for nodes or run; leaving ones are being deleted.
    """

    phase: Literal["active", "suspended", "complete", "failed", "leaving"]
    message: str = ""


@dataclass(frozen=True)
class Failure:
    """A node's container that failed.

    Attributes:
        finished_at: time in Kubernetes' format.
        restarted: whether the container was started again since.
    """

    pod: str
    exit_code: int
    finished_at: str
    restarted: bool


class TrainJobs:
    """The TrainJobs of this pod's namespace; outside a cluster, of kubectl's current namespace.

    Every method, and the constructor, raises ClusterError if the cluster refuses or does not answer.
    """

    def __init__(self):
        from kubernetes.client import ApiClient, CoreV1Api, CustomObjectsApi

        settings, self.namespace = _connection()
        client = ApiClient(settings)
        self._objects, self._core = CustomObjectsApi(client), CoreV1Api(client)
        self._place = (GROUP, VERSION, self.namespace, PLURAL)

    def own_image(self) -> str:
        """Image of the pod that this process runs in."""
        name = os.environ.get("KFP_POD_NAME") or socket.gethostname()
        pod = _request(
            f"get pod {self.namespace}/{name}",
            partial(self._core.read_namespaced_pod, name, self.namespace),
            remedy="set training.train_job.image to the image of the nodes",
        )
        containers = pod.spec.containers
        # Kubeflow Pipelines calls a task's own container main.
        return next((container for container in containers if container.name == "main"), containers[0]).image

    def find(self, name: str) -> TrainJobState | None:
        """State of a TrainJob; None if there is none of that name."""
        job = _request(
            f"get TrainJob {self.namespace}/{name}",
            partial(self._objects.get_namespaced_custom_object, *self._place, name),
            ignore=_MISSING,
        )
        return None if job is None else _state(job)

    def create(self, manifest: dict) -> None:
        """Create a TrainJob, unless there is one of its name; fields unknown to the API server are refused."""
        _request(
            f"create TrainJob {self.namespace}/{manifest['metadata']['name']}",
            partial(self._objects.create_namespaced_custom_object, *self._place, manifest, field_validation="Strict"),
            # Created already by another launcher of the same policy, or by this one before its connection broke.
            ignore=_EXISTS,
        )

    def delete(self, name: str) -> None:
        """Delete a TrainJob, if it exists: its pods get SIGTERM, and it remains until they have ended."""
        _request(
            f"delete TrainJob {self.namespace}/{name}",
            partial(self._objects.delete_namespaced_custom_object, *self._place, name, propagation_policy="Foreground"),
            ignore=_MISSING,
        )

    def failures(self, name: str) -> list[Failure]:
        """The last failure of each container of a TrainJob's nodes, in order of time."""
        found = []
        for pod in self._pods(name):
            for container in pod.status.container_statuses or []:
                now, before = container.state.terminated, container.last_state.terminated
                ended = now or before
                if container.name == NODE and ended is not None and ended.exit_code != 0:
                    moment = ended.finished_at and ended.finished_at.isoformat()
                    found.append(Failure(pod.metadata.name, ended.exit_code, moment or "", now is None))
        return sorted(found, key=lambda failure: failure.finished_at)

    def waiting(self, name: str) -> str:
        """The scheduler's or kubelet's reasons why pods of a TrainJob do not run yet; empty if all run."""
        reasons = []
        for pod in self._pods(name):
            unmet = [condition for condition in pod.status.conditions or [] if condition.status == "False"]
            reasons += [condition.message for condition in unmet if condition.type == "PodScheduled"]
            for container in pod.status.container_statuses or []:
                if container.state.waiting is not None:
                    reasons.append(f"{container.state.waiting.reason} {container.state.waiting.message or ''}")
        return "; ".join(sorted({" ".join(reason.split()) for reason in reasons if reason}))

    def log(self, failure: Failure) -> str:
        """Last lines of a failed container's log; empty if its pod no longer exists."""
        text = _request(
            f"get log of pod {self.namespace}/{failure.pod}",
            partial(
                self._core.read_namespaced_pod_log,
                failure.pod,
                self.namespace,
                container=NODE,
                previous=failure.restarted,
                tail_lines=_LINES_OF_LOG,
            ),
            ignore=_MISSING,
        )
        return text or ""

    def _pods(self, name: str) -> list:
        return _request(
            f"list pods of TrainJob {self.namespace}/{name}",
            partial(self._core.list_namespaced_pod, self.namespace, label_selector=f"{_JOB_LABEL}={name}"),
        ).items


def _connection() -> tuple:
    from kubernetes import config
    from kubernetes.client import Configuration
    from urllib3 import Retry

    settings = Configuration()
    try:
        try:
            config.load_incluster_config(client_configuration=settings)
            namespace = _NAMESPACE.read_text().strip()
        except config.ConfigException:
            file = os.environ.get("KUBECONFIG")
            config.load_kube_config(file, client_configuration=settings)
            namespace = config.list_kube_config_contexts(file)[1]["context"].get("namespace", "default")
    except (config.ConfigException, OSError) as error:
        raise ClusterError(
            "training.launcher=trainjob",
            rule=f"needs a Kubernetes cluster, there is none here ({error})",
            remedy="run it in a pod with a service account, or set KUBECONFIG",
        ) from error
    settings.retries = Retry(
        total=_RETRIES,
        backoff_factor=_FIRST_PAUSE_SECONDS,
        # Names are fixed before a request is sent, so that any request may be sent again.
        allowed_methods=None,
        status_forcelist=[429, 500, 502, 503, 504],
        raise_on_status=False,
    )
    return settings, namespace


def _state(job: dict) -> TrainJobState:
    if "deletionTimestamp" in job["metadata"]:
        return TrainJobState("leaving")
    true = {
        condition["type"]: " ".join(f"{condition['reason']}: {condition['message']}".split())
        for condition in job.get("status", {}).get("conditions", [])
        if condition["status"] == "True"
    }
    for condition, phase in (("Complete", "complete"), ("Failed", "failed"), ("Suspended", "suspended")):
        if condition in true:
            return TrainJobState(phase, true[condition])
    return TrainJobState("active")


def _request(what: str, send: Callable[..., Any], *, remedy: str = _PERMISSION, ignore: int | None = None) -> Any:
    """The answer to a request, or None if it is refused with the status to ignore; other errors are `ClusterError`s."""
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        return send(_request_timeout=_TIMEOUT)
    except ApiException as error:
        # If the kind itself is unknown, the answer has no details about an object.
        if error.status == ignore and '"details"' in (error.body or ""):
            return None
        # Otherwise the request itself is refused, not its sender.
        may_lack_rights = error.status in (401, 403, 404)
        raise ClusterError(
            what,
            rule=f"was refused: {error.status} {_message(error)}",
            remedy=remedy if may_lack_rights else "correct training.train_job or what it names",
        ) from error
    except HTTPError as error:
        raise ClusterError(
            what, rule=f"got no answer ({error})", remedy="check that the cluster's API can be reached, and run again"
        ) from error


def _message(error) -> str:
    try:
        return json.loads(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        return error.reason
