"""Text as Kubeflow Pipelines and Argo Workflows write it: JSON of Go, and names of nodes."""

import json
from typing import Any

_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
_FNV_START, _FNV_PRIME = 2166136261, 16777619


def to_go_json(value: Any) -> str:
    """JSON as Go writes it: no spaces, and what HTML would read escaped.

    Args:
        value: JSON-able.

    Returns:
        The text.
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.translate(str.maketrans(_ESCAPED))


def node_id(workflow: str, path: str) -> str:
    """The id of a node: Argo keeps nodes in the order of their ids, which is the order in which they are compressed.

    Args:
        workflow: name of the workflow.
        path: name of the node.

    Returns:
        The workflow's name and the hash FNV-1a of the path.
    """
    if path == workflow:
        return workflow
    number = _FNV_START
    for byte in path.encode():
        number = (number ^ byte) * _FNV_PRIME % 2**32
    return f"{workflow}-{number}"
