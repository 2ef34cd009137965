"""The checks of `palm doctor`: each finds what a run needs, or says what to do."""

from collections.abc import Callable
from dataclasses import dataclass

from palm.cluster.doctor.image_registry import find_image
from palm.cluster.doctor.mlflow_access import check_mlflow
from palm.cluster.kfp.connection import Address, Connection, connect
from palm.cluster.kfp.input_files import check_storage_root
from palm.cluster.kubernetes_access import Kubernetes, connect_kubernetes
from palm.config.cluster import Cluster, PodResources
from palm.config.pods import SECRET_KEYS
from palm.errors import ClusterError, PalmError
from palm.storage.store import Store

_NAMESPACE = "kubeflow"
"""Namespace of the runs of a Kubeflow Pipelines without users."""


@dataclass(frozen=True)
class Finding:
    """The result of one check; ``detail`` is what was found, or what is missing and what to do."""

    name: str
    ok: bool
    detail: str


def examine(
    address: Address,
    cluster: Cluster,
    *,
    storage_root: str | None = None,
    tracking_uri: str | None = None,
    mlflow_address: str | None = None,
    workspace: str | None = None,
) -> list[Finding]:
    """Check everything that a run needs; what cannot be checked is a finding as well.

    Args:
        storage_root: of the results; None: not checked.
        tracking_uri: of MLflow, as pods reach it; None: not checked.
        mlflow_address: of MLflow, as this machine reaches it; None: the same.
        workspace: of MLflow; None: the server's default.

    Returns:
        The findings on pipelines, mlflow, storage, kubernetes, secret, accelerators and each image, in this order.
    """
    opened: dict = {}
    findings = [_finding("pipelines", lambda: _pipelines(opened, address))]
    if tracking_uri is not None:
        findings.append(_finding("mlflow", lambda: check_mlflow(tracking_uri, mlflow_address, workspace)))
    if storage_root is not None:
        findings.append(_finding("storage", lambda: _storage(storage_root)))
    findings.append(_finding("kubernetes", lambda: _kubernetes(opened)))
    connection: Connection | None = opened.get("pipelines")
    namespace = address.namespace or (connection and connection.namespace) or _NAMESPACE
    findings.append(_finding("secret", lambda: _secret(opened, namespace, cluster.secret)))
    findings += [_finding("accelerators", lambda pod=pod: _accelerators(opened, pod)) for pod in _with_gpus(cluster)]
    images = dict.fromkeys((cluster.image, cluster.gpu_image))
    findings += [_finding("image", lambda image=image: _image(opened, image)) for image in images]
    return findings


def _with_gpus(cluster: Cluster) -> list[PodResources]:
    """The kinds of tasks that differ in the GPUs that they need; the larger of those on the same nodes."""
    tasks, training = cluster.tasks, cluster.training
    if (tasks.accelerator, tasks.node_selector) == (training.accelerator, training.node_selector):
        return [max(tasks, training, key=lambda pod: pod.gpus)]
    return [pod for pod in (tasks, training) if pod.gpus] or [tasks]


def _finding(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except PalmError as error:
        return Finding(name, False, str(error))


def _pipelines(opened: dict, address: Address) -> str:
    connection = opened["pipelines"] = connect(address)
    # The health check needs no credentials; a request like those of a run does.
    with connection.requests() as client:
        client.list_experiments(page_size=1, namespace=connection.namespace)
    place = f"namespace {connection.namespace}" if connection.namespace else "one user"
    return f"Kubeflow Pipelines {connection.version or 'of unknown version'} at {connection.host}, {place}"


def _storage(root: str) -> str:
    check_storage_root(root)
    Store(root).check_writable()
    return f"{root} can be written with the credentials of this machine"


def _kubernetes(opened: dict) -> str:
    kubernetes = opened["kubernetes"] = connect_kubernetes()
    return f"Kubernetes {kubernetes.version} at {kubernetes.host}"


def _reached(opened: dict) -> Kubernetes:
    if "kubernetes" not in opened:
        raise ClusterError("not checked", rule="Kubernetes cannot be reached", remedy="see the line kubernetes")
    return opened["kubernetes"]


def _secret(opened: dict, namespace: str, name: str) -> str:
    found = [key for key in SECRET_KEYS if key in _reached(opened).secret_keys(namespace, name)]
    if not found:
        raise ClusterError(
            f"secret {name} in {namespace}",
            rule="has none of the keys that tasks read",
            remedy=f"add what storage and MLflow need: {', '.join(SECRET_KEYS)}",
        )
    return f"{name} in {namespace} has {', '.join(found)}"


def _accelerators(opened: dict, pod: PodResources) -> str:
    if pod.gpus == 0:
        return "none asked for"
    nodes = _reached(opened).accelerators(pod.accelerator, pod.node_selector)
    fitting = [node for node in nodes if node.allocatable >= pod.gpus]
    if not fitting:
        most = max((node.allocatable for node in nodes), default=0)
        raise ClusterError(
            f"{pod.accelerator}={pod.gpus}",
            rule=f"no node that tasks may run on has that many (the most is {most})",
            remedy="install the device plugin, or check gpus, accelerator and node_selector in cluster.tasks and "
            "cluster.training",
        )
    total = sum(node.allocatable for node in nodes)
    if any(node.free is None for node in nodes):
        free = "how many are free is not known: listing pods is not allowed"
    else:
        free = f"{sum(node.free for node in nodes)} free now"
    return f"{total} {pod.accelerator} on {len(fitting)} nodes, {free}"


def _image(opened: dict, image: str) -> str:
    kubernetes: Kubernetes | None = opened.get("kubernetes")
    holders, unknown = 0, " (Kubernetes cannot be reached)"
    if kubernetes is not None:
        try:
            holders, unknown = kubernetes.nodes_with_image(image), ""
        except ClusterError as error:
            unknown = f" ({error})"
    if holders:
        return f"{image} is on {holders} nodes"
    return find_image(image, elsewhere=f"no node is known to hold it{unknown}")
