"""Requests to the Kubernetes API: Secrets, nodes, pods, workflows; and its errors as a `ClusterError` of one line."""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from palm.errors import ClusterError

TIMEOUT = (5, 20)
"""Seconds to connect and to answer."""
_WORKFLOWS, _RUN_LABEL = ("argoproj.io", "v1alpha1"), "pipeline/runid"
_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True)
class Node:
    """A node: accelerators that pods can request, and those that no pod requests; None if pods cannot be listed."""

    name: str
    allocatable: int
    free: int | None


@dataclass(frozen=True)
class Kubernetes:
    """A cluster that answers requests; every method raises a `ClusterError` if its request is refused.

    Attributes:
        core: a `kubernetes.client.CoreV1Api`.
        host: URL of the API server.
    """

    core: object
    host: str
    version: str

    def secret_keys(self, namespace: str, name: str) -> set[str]:
        """Keys of a Secret; its values are discarded."""
        missing = (
            f"kubectl create secret generic {name} --namespace {namespace} --from-literal=AWS_ACCESS_KEY_ID=… …; "
            "not needed where the pods' service account has all rights"
        )
        with kubernetes_errors(f"secret {name} in {namespace}", missing):
            return set(self.core.read_namespaced_secret(name, namespace, _request_timeout=TIMEOUT).data or {})

    def accelerators(self, accelerator: str, node_selector: dict) -> list[Node]:
        """The schedulable nodes with these labels that have an accelerator, given by its resource name."""
        from kubernetes.utils import parse_quantity

        used = self._used(accelerator)
        nodes = []
        for node in self._nodes():
            labels = node.metadata.labels or {}
            amount = int(parse_quantity((node.status.allocatable or {}).get(accelerator, "0")))
            if amount and not node.spec.unschedulable and node_selector.items() <= labels.items():
                name = node.metadata.name
                nodes.append(Node(name, amount, None if used is None else amount - used.get(name, 0)))
        return nodes

    def nodes_with_image(self, image: str) -> int:
        """Number of the nodes that report an image, by its full reference; each reports at most fifty images."""
        return sum(any(image in (held.names or ()) for held in node.status.images or ()) for node in self._nodes())

    def workflow(self, namespace: str, run_id: str) -> dict | None:
        """The Argo Workflow of a run of Kubeflow Pipelines; None if it does not exist."""
        from kubernetes.client import CustomObjectsApi

        with kubernetes_errors(f"workflows in {namespace}", "install Argo Workflows"):
            found = CustomObjectsApi(self.core.api_client).list_namespaced_custom_object(
                *_WORKFLOWS, namespace, "workflows", label_selector=f"{_RUN_LABEL}={run_id}", _request_timeout=TIMEOUT
            )
        return next(iter(found["items"]), None)

    def log(self, namespace: str, pod: str, *, lines: int) -> str:
        """The last lines of the log of a task's pod."""
        with kubernetes_errors(f"log of pod {pod} in {namespace}", "see the artifact executor-logs of the task"):
            answer = self.core.read_namespaced_pod_log(
                pod,
                namespace,
                container="main",
                tail_lines=lines,
                _preload_content=False,  # Else the client returns the repr of bytes as text.
                _request_timeout=TIMEOUT,
            )
        return answer.data.decode(errors="replace")

    def _nodes(self) -> list:
        with kubernetes_errors("nodes of the cluster", "check the cluster"):
            return self.core.list_node(_request_timeout=TIMEOUT).items

    def _used(self, accelerator: str) -> dict[str, int] | None:
        """Accelerators that pods request, by node; None where listing pods is forbidden."""
        from kubernetes.client import ApiException
        from kubernetes.utils import parse_quantity

        running = "status.phase!=Succeeded,status.phase!=Failed"
        try:
            with kubernetes_errors("pods of the cluster", "check the cluster"):
                pods = self.core.list_pod_for_all_namespaces(field_selector=running, _request_timeout=TIMEOUT).items
        except ClusterError as error:
            if isinstance(error.__cause__, ApiException) and error.__cause__.status == 403:
                return None
            raise
        used: dict[str, int] = {}
        for pod in pods:
            for container in pod.spec.containers:
                requests = (container.resources and container.resources.requests) or {}
                amount = int(parse_quantity(requests.get(accelerator, "0")))
                used[pod.spec.node_name] = used.get(pod.spec.node_name, 0) + amount
        return used


def connect_kubernetes() -> Kubernetes:
    """Connect to the cluster of this pod, or to that of kubectl."""
    from kubernetes import client

    settings = client_settings()
    api = client.ApiClient(settings)
    with kubernetes_errors("Kubernetes", "check KUBECONFIG"):
        version = client.VersionApi(api).get_code(_request_timeout=TIMEOUT).git_version
    return Kubernetes(client.CoreV1Api(api), settings.host, version)


def client_settings():
    """The `kubernetes.client.Configuration` of this pod, or of kubectl."""
    from kubernetes import client, config

    settings = client.Configuration()
    try:
        if _in_a_pod():
            config.load_incluster_config(client_configuration=settings)
        else:
            config.load_kube_config(config_file=os.environ.get("KUBECONFIG"), client_configuration=settings)
    except (config.ConfigException, OSError, ValueError) as error:
        raise ClusterError(
            "Kubernetes",
            rule=f"is not configured here ({error})",
            remedy="set KUBECONFIG, or run this where kubectl works or in a pod",
        ) from error
    return settings


def own_namespace() -> str:
    """The namespace of this pod, or the one that kubectl uses by default."""
    from kubernetes import config

    try:
        if _in_a_pod():
            return _NAMESPACE.read_text(encoding="utf-8").strip()
        active = config.list_kube_config_contexts(os.environ.get("KUBECONFIG"))[1]
    except (config.ConfigException, OSError) as error:
        raise ClusterError(
            "namespace", rule=f"is not known here ({error})", remedy="give --namespace, or set KUBECONFIG"
        ) from error
    return active["context"].get("namespace", "default")


def _in_a_pod() -> bool:
    return "KUBECONFIG" not in os.environ and "KUBERNETES_SERVICE_HOST" in os.environ


@contextlib.contextmanager
def kubernetes_errors(what: str, missing: str, *, verb: str = "read") -> Iterator[None]:
    """Convert the errors of a request about an object into a `ClusterError`.

    Args:
        missing: the remedy if the object does not exist.
        verb: past participle of what the request does with the object.
    """
    import urllib3
    from kubernetes.client import ApiException

    try:
        yield
    except ApiException as error:
        if error.status == 404:
            raise ClusterError(what, rule="does not exist", remedy=missing) from error
        message = error.reason
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            message = json.loads(error.body).get("message") or message
        remedy = {
            401: "sign in again: the credentials of KUBECONFIG have expired",
            403: "ask for this right, or let somebody look who has it",
        }.get(error.status, "see the message")
        raise ClusterError(what, rule=f"cannot be {verb} ({error.status} {message})", remedy=remedy) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ClusterError(
            what, rule=f"cannot be reached ({error})", remedy="check KUBECONFIG and the network"
        ) from error
