"""The specification of the workflow that Kubeflow Pipelines makes of a compiled pipeline."""

from collections.abc import Iterator
from hashlib import sha256

from pipelines.argo_text import to_go_json
from pipelines.compiled import CompiledPipeline

# Of the templates that are the same in every workflow, as KFP 2.17 writes them (test_data/compiled-workflows of
# kubeflow/pipelines): the two drivers, and the launcher with its volumes, once with retries and once without.
_SYSTEM_TEMPLATES_BYTES = 9_000


def specification_bytes(pipeline: CompiledPipeline, given: dict) -> int:
    """Size of the specification, as JSON.

    Every component, container and setting of Kubernetes stands there once, every task with its inputs once, and a
    loop's twice.

    Args:
        pipeline: the compiled pipeline.
        given: inputs of the run.

    Returns:
        Bytes.
    """
    arguments = {"parameters": list(_arguments(pipeline))}
    templates = [*_templates(pipeline, "root", pipeline.root)]
    for name, component in pipeline.spec["components"].items():
        if "dag" in component:
            templates += _templates(pipeline, name, component)
    runtime = to_go_json({"parameterValues": {**pipeline.defaults, **given}})
    text = to_go_json({"arguments": arguments, "templates": templates, "runtime": runtime})
    return len(text.encode()) + _SYSTEM_TEMPLATES_BYTES


def _key(pipeline: CompiledPipeline, name: str) -> str:
    component = pipeline.spec["components"][name]
    if "dag" in component:
        return name
    return sha256(to_go_json(pipeline.container(component)).encode()).hexdigest()


def _arguments(pipeline: CompiledPipeline) -> Iterator[dict]:
    yield {"name": "components-root", "value": to_go_json(pipeline.root)}
    for name, component in pipeline.spec["components"].items():
        key = _key(pipeline, name)
        yield {"name": f"components-{key}", "value": to_go_json(component)}
        if "dag" not in component:
            yield {"name": f"implementations-{key}", "value": to_go_json(pipeline.container(component))}
            yield {"name": f"kubernetes-{name}", "value": to_go_json(pipeline.kubernetes(component))}


def _templates(pipeline: CompiledPipeline, name: str, component: dict) -> Iterator[dict]:
    entries = []
    for key, task in component["dag"]["tasks"].items():
        entries += _entries(pipeline, key, task)
    yield {"name": name, "inputs": {"parameters": [{"name": "parent-dag-id"}]}, "outputs": {}, "metadata": {}, "dag": {"tasks": entries}}


def _entries(pipeline: CompiledPipeline, name: str, task: dict) -> list[dict]:
    component = pipeline.component(task)
    reference = _key(pipeline, task["componentRef"]["name"])
    drive = [
        _given("component", f"{{{{workflow.parameters.components-{reference}}}}}"),
        _given("task", to_go_json(task)),
        _given("task-name", name),
        _given("parent-dag-id", "{{inputs.parameters.parent-dag-id}}"),
    ]
    depends = " && ".join(f"{needed}.Succeeded" for needed in task.get("dependentTasks", []))
    if "dag" in component:
        handed = [_answer(name, "execution-id"), _answer(name, "condition")]
        entries = [_entry(f"{name}-driver", "system-dag-driver", drive, depends), _entry(name, task["componentRef"]["name"], handed, f"{name}-driver.Succeeded")]
        return entries * 2 if "parameterIterator" in task else entries
    drive += [
        _given("container", f"{{{{workflow.parameters.implementations-{reference}}}}}"),
        _given("kubernetes-config", f"{{{{workflow.parameters.kubernetes-{task['componentRef']['name']}}}}}"),
    ]
    from pipelines.workflow_nodes import _metadata, _retries
    handed = [_answer(name, "pod-spec-patch"), _answer(name, "cached-decision")]
    handed += [_given(k,v) for k,v in {**_metadata(pipeline.kubernetes(component)), **_retries(task)}.items()]
    return [_entry(f"{name}-driver", "system-container-driver", drive, depends), _entry(name, "retry-system-container-executor", handed, f"{name}-driver.Succeeded")]


def _entry(name: str, template: str, parameters: list[dict], depends: str) -> dict:
    return {"name": name, "template": template, "arguments": {"parameters": parameters}, "depends": depends}


def _given(name: str, value: str) -> dict:
    return {"name": name, "value": value}


def _answer(task: str, name: str) -> dict:
    return _given(name, f"{{{{tasks.{task}-driver.outputs.parameters.{name}}}}}")
