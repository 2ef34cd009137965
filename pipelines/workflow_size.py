"""Size of the workflow of a run: Argo keeps every node in one object of Kubernetes."""

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from palm.pipelines.compiled import CompiledPipeline
from palm.pipelines.task_data import to_go_json
from palm.pipelines.workflow_nodes import Answers, run_nodes

LIMIT_BYTES = 700_000
"""Largest workflow that PALM starts, its nodes compressed. Argo refuses workflows above 1 MiB: a measured build of 48
policies ended at 878 kB of nodes and 172 kB of specification. etcd accepts 1.5 MiB, the API server requests of 3 MiB.
The rest is a reserve: retries (half of a task's nodes once more each), long messages, a site's own settings."""

_GZIP_LEVEL = 4
"""Argo compresses with pgzip, whose default reaches what zlib reaches at a level between 4 and 5. Real statuses are
less regular than estimated ones, so the lower level is taken; all four measured sizes are within 8 %."""

_SYSTEM_TEMPLATES_BYTES = 9_000
"""Templates that are the same in every workflow: both drivers (2.4 and 2.2 kB in kubeflow/pipelines,
test_data/compiled-workflows), and the executor with its launcher, seven volumes, labels and retries."""
_ARGUMENT_BYTES, _ENTRY_BYTES = 100, 600
"""An argument's and a DAG entry's own text: names, keys and references."""


@dataclass(frozen=True)
class WorkflowSize:
    """Size of a workflow when its run has ended: nodes that Argo keeps, pods that were started, and bytes.

    Attributes:
        status: bytes of the nodes as JSON.
        compressed: bytes of the nodes as Argo keeps them when they are many: gzip, then base64.
    """

    nodes: int
    pods: int
    status: int
    compressed: int
    specification: int

    @property
    def object(self) -> int:
        """Bytes of the object as a whole, its nodes compressed."""
        return self.compressed + self.specification


def workflow_size(pipeline: CompiledPipeline, given: Mapping[str, Any], answers: Answers) -> WorkflowSize:
    """Estimate the workflow of a run; arguments as for `palm.pipelines.workflow_nodes.run_nodes`."""
    nodes = run_nodes(pipeline, given, answers)
    status, compressed = nodes_bytes(nodes)
    return WorkflowSize(
        nodes=len(nodes),
        pods=sum(node["type"] == "Pod" for node in nodes.values()),
        status=status,
        compressed=compressed,
        specification=_specification_bytes(pipeline, given),
    )


def nodes_bytes(nodes: dict[str, dict]) -> tuple[int, int]:
    """Bytes of nodes as JSON, and compressed."""
    # Go writes the keys of a map in order, so similar nodes are rarely within the 32 kB that gzip looks back.
    text = to_go_json(dict(sorted(nodes.items()))).encode()
    compressor = zlib.compressobj(_GZIP_LEVEL, wbits=zlib.MAX_WBITS | 16)
    return len(text), len(base64.b64encode(compressor.compress(text) + compressor.flush()))


def _specification_bytes(pipeline: CompiledPipeline, given: Mapping[str, Any]) -> int:
    """Bytes of the specification: every component, container and Kubernetes setting is an argument, once.

    Every task is two entries of a template, with its inputs as text; a loop is four, since its items repeat them.
    """
    components = [pipeline.spec["root"], *pipeline.spec["components"].values()]
    total = _SYSTEM_TEMPLATES_BYTES + _text_bytes({**pipeline.defaults, **given})
    for component in components:
        texts = [component]
        if "dag" not in component:
            texts += [pipeline.container(component), pipeline.kubernetes(component)]
        total += sum(_text_bytes(text) + _ARGUMENT_BYTES for text in texts)
        for task in component.get("dag", {}).get("tasks", {}).values():
            settings = {} if "dag" in pipeline.component(task) else pipeline.executor_settings(task)
            entries = _text_bytes(task) + len(to_go_json(settings)) + 2 * _ENTRY_BYTES
            total += entries * (2 if "parameterIterator" in task else 1)
    return total


def _text_bytes(value: Any) -> int:
    """Bytes of a value as text inside JSON."""
    return len(to_go_json(to_go_json(value)).encode())
