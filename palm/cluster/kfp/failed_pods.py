"""Failed pods of a run: what its Workflow says of them, and the last line of their logs."""

import base64
import gzip
import json
import re
from dataclasses import dataclass

from palm.cluster.kubernetes_access import Kubernetes
from palm.errors import ClusterError

_ATTEMPT = re.compile(r"\((\d+)\)")
"""Number of an attempt in the name of a node; items of loops are numbered otherwise."""
_LOG_PREFIX = re.compile(r"^[IWEF]\d{4} [\d:.]+ +\d+ [\w.-]+:\d+\] ")
"""Prefix of a line that KFP's launcher prints (klog)."""
_LOG_LINES = 20
_EXIT_STATUS = "exit status "


@dataclass(frozen=True)
class FailedPod:
    """A pod whose failure was that of its task.

    Attributes:
        task: as the pipeline calls it, e.g. ``train-policies``.
        worked: whether it ran the task; else it was the task's driver.
        attempt: number of the attempt, from 1.
    """

    task: str
    worked: bool
    attempt: int
    reason: str


def failed_pod(kubernetes: Kubernetes, namespace: str, run_id: str) -> FailedPod | None:
    """The first pod in which a run failed for good, of its last attempt; None without one or without the Workflow."""
    workflow = kubernetes.workflow(namespace, run_id)
    node = None if workflow is None else _first_failed(_nodes(workflow["status"]))
    if node is None:
        return None
    *_, parent, last = node["name"].split(".")
    worked = last.startswith("executor")
    return FailedPod(
        task=_ATTEMPT.sub("", parent) if worked else _ATTEMPT.sub("", last).removesuffix("-driver"),
        worked=worked,
        attempt=1 + sum(_attempts(node)),
        reason=": ".join(filter(None, (node.get("message"), _last_line(kubernetes, namespace, workflow, node)))),
    )


def _nodes(status: dict) -> list[dict]:
    """The nodes of a Workflow, which Argo compresses where there are many."""
    nodes = status.get("nodes")
    if nodes is None and status.get("compressedNodes"):
        nodes = json.loads(gzip.decompress(base64.b64decode(status["compressedNodes"])))
    return list((nodes or {}).values())


def _first_failed(nodes: list[dict]) -> dict | None:
    tasks: dict[str, list[dict]] = {}
    for node in nodes:
        if node["type"] == "Pod":
            tasks.setdefault(_ATTEMPT.sub("", node["name"]), []).append(node)
    last = [max(attempts, key=_attempts) for attempts in tasks.values()]
    failed = [node for node in last if node["phase"] in ("Failed", "Error")]
    return min(failed, key=lambda node: node.get("finishedAt") or "", default=None)


def _attempts(node: dict) -> list[int]:
    return [int(number) for number in _ATTEMPT.findall(node["name"])]


def _last_line(kubernetes: Kubernetes, namespace: str, workflow: dict, node: dict) -> str | None:
    """The last line of a pod's log other than an exit status; None if the log cannot be read."""
    # Argo names a pod by its template and the number in the id of its node.
    pod = f"{workflow['metadata']['name']}-{node['templateName']}-{node['id'].rpartition('-')[2]}"
    try:
        log = kubernetes.log(namespace, pod, lines=_LOG_LINES)
    except ClusterError:
        return None
    lines = [_LOG_PREFIX.sub("", line).strip() for line in log.splitlines()]
    return next((line for line in reversed(lines) if line and _EXIT_STATUS not in line), None)
