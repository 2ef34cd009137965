"""The checks of `palm doctor`: each finds what a run needs, or says what to do."""

from collections.abc import Callable
from dataclasses import dataclass, field

from palm.cluster.doctor.image_registry import find_image
from palm.cluster.doctor.mlflow_access import check_mlflow
from palm.cluster.kfp.connection import Address, Connection, connect
from palm.cluster.kfp.input_files import check_storage_root
from palm.cluster.kubernetes_access import Kubernetes, connect_kubernetes
from palm.errors import ClusterError, PalmError
from palm.pipelines.settings import SECRET_KEYS
from palm.storage.store import Store

_NAMESPACE = "kubeflow"
"""Namespace of the runs of a Kubeflow Pipelines without users."""


@dataclass(frozen=True)
class Needs:
    """What a run needs.

    Attributes:
        images: of its tasks.
        accelerator: resource name of the accelerator.
        accelerator_count: accelerators of a task, ≥ 0.
        secret: name of the Secret with credentials.
        node_selector: labels that a node must have.
        storage_root: None: not checked.
        tracking_uri: MLflow, as pods reach it; None: not checked.
        mlflow_address: MLflow, as this machine reaches it; None: as pods do.
    """

    images: tuple[str, ...]
    accelerator: str
    accelerator_count: int
    secret: str
    node_selector: dict = field(default_factory=dict)
    storage_root: str | None = None
    tracking_uri: str | None = None
    mlflow_address: str | None = None


@dataclass(frozen=True)
class Finding:
    """The result of one check; ``detail`` is what was found, or what is missing and what to do."""

    name: str
    ok: bool
    detail: str


def examine(address: Address, needs: Needs) -> list[Finding]:
    """Check everything that a run needs.

    Returns:
        The findings on pipelines, mlflow, storage, kubernetes, secret, accelerators and each image, in this order.
    """
    opened: dict = {}
    findings = [_finding("pipelines", lambda: _pipelines(opened, address))]
    if needs.tracking_uri is not None:
        findings.append(_finding("mlflow", lambda: check_mlflow(needs.tracking_uri, needs.mlflow_address)))
    if needs.storage_root is not None:
        findings.append(_finding("storage", lambda: _storage(needs.storage_root)))
    findings.append(_finding("kubernetes", lambda: _kubernetes(opened)))
    connection: Connection | None = opened.get("pipelines")
    namespace = address.namespace or (connection and connection.namespace) or _NAMESPACE
    findings.append(_finding("secret", lambda: _secret(opened, namespace, needs.secret)))
    findings.append(_finding("accelerators", lambda: _accelerators(opened, needs)))
    findings += [_finding("image", lambda image=image: _image(opened, image)) for image in dict.fromkeys(needs.images)]
    return findings


def _finding(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except PalmError as error:
        return Finding(name, False, str(error))


def _pipelines(opened: dict, address: Address) -> str:
    connection = opened["pipelines"] = connect(address)
    # The health check needs no credentials; a request like those of a run does.
    with connection.asking() as client:
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
        raise ClusterError("not looked at", rule="Kubernetes cannot be asked", remedy="see the line kubernetes")
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


def _accelerators(opened: dict, needs: Needs) -> str:
    if needs.accelerator_count == 0:
        return "none asked for"
    nodes = _reached(opened).accelerators(needs.accelerator, needs.node_selector)
    fitting = [node for node in nodes if node.allocatable >= needs.accelerator_count]
    if not fitting:
        most = max((node.allocatable for node in nodes), default=0)
        raise ClusterError(
            f"{needs.accelerator}={needs.accelerator_count}",
            rule=f"no node that tasks may run on has that many (the most is {most})",
            remedy="install the device plugin, lower --accelerator-count, or check --accelerator and --node-selector",
        )
    total = sum(node.allocatable for node in nodes)
    if any(node.free is None for node in nodes):
        free = "how many are free is not known: listing pods is not allowed"
    else:
        free = f"{sum(node.free for node in nodes)} free now"
    return f"{total} {needs.accelerator} on {len(fitting)} nodes, {free}"


def _image(opened: dict, image: str) -> str:
    kubernetes: Kubernetes | None = opened.get("kubernetes")
    holders, unknown = 0, " (Kubernetes cannot be asked)"
    if kubernetes is not None:
        try:
            holders, unknown = kubernetes.nodes_with_image(image), ""
        except ClusterError as error:
            unknown = f" ({error})"
    if holders:
        return f"{image} is on {holders} nodes"
    return find_image(image, elsewhere=f"no node is known to hold it{unknown}")
