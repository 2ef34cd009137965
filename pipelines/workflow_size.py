"""How large the workflow of a run becomes: Argo keeps every node in one object of Kubernetes."""

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from palm.pipelines.argo_text import to_go_json
from palm.pipelines.compiled import CompiledPipeline
from palm.pipelines.workflow_nodes import Answers, run_nodes
from palm.pipelines.workflow_spec import specification_bytes

LIMIT_BYTES = 700_000
"""Largest workflow that PALM starts, its nodes compressed. Argo gives up above 1 MiB: a measured build of 48 policies
ended at 878 kB of nodes and 172 kB of specification. etcd takes 1.5 MiB, the API server requests of 3 MiB. The rest is
room for what is not foreseen: retries (half of a task's nodes once more each), long messages, a site's own settings."""

_GZIP_LEVEL = 4
"""Argo compresses with pgzip, whose default finds less than zlib's: of the same text it makes what zlib makes at a
level between 4 and 5. Real statuses are less regular than these, so the level that finds less is taken; all four
measured sizes come out within 8 %."""


@dataclass(frozen=True)
class WorkflowSize:
    """Size of a workflow when its run has ended.

    Attributes:
        nodes: nodes that Argo keeps.
        pods: pods that were started.
        longest_path: pods that wait for one another.
        status: bytes of the nodes as JSON.
        compressed: bytes of the nodes as Argo keeps them when they are many: gzip, then base64.
        specification: bytes of the specification.
    """

    nodes: int
    pods: int
    longest_path: int
    status: int
    compressed: int
    specification: int

    @property
    def object(self) -> int:
        """Bytes of the object as a whole, its nodes compressed."""
        return self.compressed + self.specification


def workflow_size(pipeline: CompiledPipeline, given: Mapping[str, Any], answers: Answers) -> WorkflowSize:
    """Estimate the workflow of a run; arguments as for `palm.pipelines.workflow_nodes.run_nodes`."""
    nodes, longest_path = run_nodes(pipeline, given, answers)
    status, compressed = nodes_bytes(nodes)
    return WorkflowSize(
        nodes=len(nodes),
        pods=sum(node["type"] == "Pod" for node in nodes.values()),
        longest_path=longest_path,
        status=status,
        compressed=compressed,
        specification=specification_bytes(pipeline, given),
    )


def nodes_bytes(nodes: dict[str, dict]) -> tuple[int, int]:
    """Size of nodes.

    Args:
        nodes: by id.

    Returns:
        Bytes as JSON, and bytes compressed.
    """
    # Go writes the keys of a map in order, so that a node's like is rarely near it: gzip looks back 32 kB.
    text = to_go_json(dict(sorted(nodes.items()))).encode()
    compressor = zlib.compressobj(_GZIP_LEVEL, wbits=zlib.MAX_WBITS | 16)
    return len(text), len(base64.b64encode(compressor.compress(text) + compressor.flush()))
