"""The specification of the workflow that Kubeflow Pipelines makes of a compiled pipeline.

Every component, container and setting of Kubernetes is an argument of the workflow, once. Every task is two entries of
a template, with its inputs as text; a loop is four, since its items repeat them.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from palm.pipelines.argo_text import to_go_json
from palm.pipelines.compiled import CompiledPipeline

_SYSTEM_TEMPLATES_BYTES = 9_000
"""The templates that are the same in every workflow: both drivers (2.4 and 2.2 kB in kubeflow/pipelines,
test_data/compiled-workflows), and the executor with its launcher, seven volumes, labels and retries."""


def specification_bytes(pipeline: CompiledPipeline, given: Mapping[str, Any]) -> int:
    """Size of the specification as JSON.

    Args:
        pipeline: the compiled pipeline.
        given: inputs of the run.

    Returns:
        Bytes.
    """
    groups = {"root": pipeline.root, **pipeline.spec["components"]}
    specification = {
        "arguments": {"parameters": list(_arguments(pipeline))},
        "templates": [_template(pipeline, name, part) for name, part in groups.items() if "dag" in part],
        "runtime-config": to_go_json({"parameterValues": {**pipeline.defaults, **given}}),
    }
    return len(to_go_json(specification).encode()) + _SYSTEM_TEMPLATES_BYTES


def _arguments(pipeline: CompiledPipeline) -> Iterator[dict]:
    yield _parameter("components-root", to_go_json(pipeline.root))
    for name, component in pipeline.spec["components"].items():
        key = _key(pipeline, name)
        yield _parameter(f"components-{key}", to_go_json(component))
        if "dag" not in component:
            yield _parameter(f"implementations-{key}", to_go_json(pipeline.container(component)))
            yield _parameter(f"kubernetes-{name}", to_go_json(pipeline.kubernetes(component)))


def _template(pipeline: CompiledPipeline, name: str, component: dict) -> dict:
    entries = [entry for key, task in component["dag"]["tasks"].items() for entry in _entries(pipeline, key, task)]
    inputs = {"parameters": [{"name": "parent-dag-id"}]}
    return {"name": name, "inputs": inputs, "outputs": {}, "metadata": {}, "dag": {"tasks": entries}}


def _entries(pipeline: CompiledPipeline, name: str, task: dict) -> list[dict]:
    component, reference = pipeline.component(task), task["componentRef"]["name"]
    key = _key(pipeline, reference)
    drive = {
        "component": f"{{{{workflow.parameters.components-{key}}}}}",
        "task": to_go_json(task),
        "task-name": name,
        "parent-dag-id": "{{inputs.parameters.parent-dag-id}}",
    }
    after = " && ".join(f"{needed}.Succeeded" for needed in task.get("dependentTasks", []))
    if "dag" in component:
        driver, template = "system-dag-driver", reference
        handed = {output: _answer(name, output) for output in ("execution-id", "condition")}
    else:
        driver, template = "system-container-driver", "retry-system-container-executor"
        drive["container"] = f"{{{{workflow.parameters.implementations-{key}}}}}"
        drive["kubernetes-config"] = f"{{{{workflow.parameters.kubernetes-{reference}}}}}"
        handed = {output: _answer(name, output) for output in ("pod-spec-patch", "cached-decision")}
        handed |= pipeline.executor_settings(task)
    entries = [_entry(f"{name}-driver", driver, drive, after)]
    entries.append(_entry(name, template, handed, f"{name}-driver.Succeeded"))
    return entries * 2 if "parameterIterator" in task else entries


def _key(pipeline: CompiledPipeline, name: str) -> str:
    """What names a component in the workflow: a group's own name, or the digest of a container."""
    component = pipeline.spec["components"][name]
    return name if "dag" in component else sha256(to_go_json(pipeline.container(component)).encode()).hexdigest()


def _entry(name: str, template: str, parameters: dict[str, str], after: str) -> dict:
    arguments = {"parameters": [_parameter(key, value) for key, value in parameters.items()]}
    return {"name": name, "template": template, "arguments": arguments, "depends": after}


def _parameter(name: str, value: str) -> dict:
    return {"name": name, "value": value}


def _answer(task: str, name: str) -> str:
    return f"{{{{tasks.{task}-driver.outputs.parameters.{name}}}}}"
