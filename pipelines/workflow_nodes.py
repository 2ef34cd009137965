"""The nodes that Argo Workflows keeps of a run of a compiled pipeline, written out as it would write them.

The rules are those of KFP's compiler and driver (backend/src/v2 of kubeflow/pipelines 2.17): a task is a driver's pod
and an executor's pod, a group is a driver's pod and a DAG, a loop is a group that has another group for each item.
Every pod and every DAG is two nodes, since it may be tried again. What makes a status large stands in them: each driver
is given its component, task and container, and its answer, the patch of the executor's pod, stands in six nodes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from pipelines.argo_text import node_id, to_go_json
from pipelines.compiled import CompiledPipeline
from pipelines.pod_spec_patch import pod_spec_patch

_SUFFIX = "x7k2q"
_START, _SECONDS_A_NODE = datetime(2026, 11, 27, 10, tzinfo=UTC), 7
_HOST = "worker-0.cluster.internal"
_ARTIFACTS = "minio://mlpipeline/v2/artifacts"

# What KFP adds to an artifact so that its readers find the storage: 0.6 kB of a status for each (KFP_BACKEND.md, 2).
_STORAGE = {
    "Provider": "minio",
    "Params": {
        "accessKeyKey": "accesskey",
        "disableSSL": "true",
        "endpoint": "minio-service.kubeflow.svc.cluster.local:9000",
        "forcePathStyle": "true",
        "fromEnv": "false",
        "maxRetries": "5",
        "region": "minio",
        "secretKeyKey": "secretkey",
        "secretName": "mlpipeline-minio-artifact",
    },
}
_TYPICAL = {"BOOLEAN": True, "LIST": [], "STRUCT": {}, "NUMBER_INTEGER": 1, "NUMBER_DOUBLE": 1.0}
_TYPICAL_TEXT = "0123456789abcdef" * 4


class RunNodes(NamedTuple):
    """What a run leaves in its workflow.

    Attributes:
        nodes: by id.
        longest_path: pods that wait for one another.
    """

    nodes: dict[str, dict]
    longest_path: int


class _Done(NamedTuple):
    parameters: dict[str, Any]
    artifacts: dict[str, list[dict]]
    pods: int


def run_nodes(pipeline: CompiledPipeline, given: Mapping[str, Any], answers: Mapping[str, Any]) -> RunNodes:
    """The nodes of a run that goes through at the first attempt.

    Args:
        pipeline: the compiled pipeline.
        given: inputs of the run; those that are missing have their defaults.
        answers: output parameters of its tasks, each by the task's name and its own, joined by a dot; a loop over one
            of them has an item for each of its values.

    Returns:
        The nodes, and the pods on the longest path through them.
    """
    run = _Run(pipeline, answers)
    inputs = {**pipeline.defaults, **given}
    top = run.twice(run.name, "DAG", "entrypoint", parent=None)
    drive = {"component": to_go_json(pipeline.root), "runtime-config": to_go_json({"parameterValues": inputs})}
    run.driver(top, "root", {**drive, "driver-type": "ROOT_DAG"})
    done = run.group(top, "root", "root", pipeline.root, _Done(inputs, {}, 0))
    return RunNodes(run.nodes, 1 + done.pods)


@dataclass
class _Run:
    pipeline: CompiledPipeline
    answers: Mapping[str, Any]
    nodes: dict[str, dict] = field(default_factory=dict)
    executions: int = 100

    @property
    def name(self) -> str:
        return f"{self.pipeline.name}-{_SUFFIX}"

    # What the pipeline consists of.

    def group(self, parent: str, name: str, template: str, component: dict, given: _Done) -> _Done:
        """A DAG of tasks, without its driver; the pods are those of its longest path."""
        here = self.twice(f"{parent}.{name}" if parent else name, "DAG", template, parent, self._parent_and_condition())
        done: dict[str, _Done] = {}
        ends: dict[str, int] = {}
        for key, task in _in_order(component["dag"]["tasks"]):
            place = here
            if _is_exit(task):
                hook = f"{task['dependentTasks'][0]}.onExit"
                place = self.twice(f"{here}.{hook}", "DAG", f"exit-hook-{template}-{key}", here, {"parent-dag-id": "1"})
            done[key] = self.task(place, key, task, given, done)
            ends[key] = done[key].pods + max((ends[name] for name in task.get("dependentTasks", [])), default=0)
        parameters, artifacts = _outputs(component["dag"].get("outputs", {}), done)
        return _Done(parameters, artifacts, max(ends.values()))

    def task(self, parent: str, name: str, task: dict, scope: _Done, siblings: dict[str, _Done]) -> _Done:
        """A task, a group with its driver, or a loop."""
        given = _inputs(task, scope, siblings)
        if "parameterIterator" in task:
            return self._loop(parent, name, task, given)
        return self._step(parent, name, task, given)

    def _loop(self, parent: str, name: str, task: dict, given: _Done) -> _Done:
        component, template = self.pipeline.component(task), task["componentRef"]["name"]
        iterator = task["parameterIterator"]
        values = _items(iterator["items"], given.parameters)
        here = self.twice(f"{parent}.{name}", "DAG", f"{template}-{name}-iterator", parent, {"parent-dag-id": "1"})
        drive = {"component": to_go_json(component), "parent-dag-id": "1", "task": to_go_json(task)}
        self.driver(here, "iteration", {**drive, "task-name": name}, count=len(values))
        items = f"{here}.iteration-iterations"
        paths = [f"{items}({number}:{number})" for number in range(len(values))]
        kind = "TaskGroup" if values else "Skipped"
        self.once(items, kind, f"{template}-iteration", here, children=paths)
        done = []
        for number, value in enumerate(values):
            place = self.twice(paths[number], "DAG", f"{template}-iteration", here, self._item(number))
            parameters = {**given.parameters, iterator["itemInput"]: value}
            one = given._replace(parameters=parameters)
            self.driver(place, "iteration-item", {**drive, **self._item(number), "task-name": name})
            done.append(self.group(place, "iteration-item", template, component, one))
        waves = -(-len(values) // task.get("iteratorPolicy", {}).get("parallelismLimit", len(values) or 1))
        each = 1 + max((one.pods for one in done), default=0)
        collected = {key: [one.parameters[key] for one in done] for one in done for key in one.parameters}
        artifacts = {key: [entry for one in done for entry in one.artifacts[key]] for one in done for key in one.artifacts}
        return _Done(collected, artifacts, 1 + waves * each)

    def _step(self, parent: str, name: str, task: dict, given: _Done) -> _Done:
        component = self.pipeline.component(task)
        drive = {"component": to_go_json(component), "parent-dag-id": "1", "task": to_go_json(task)}
        if "dag" in component:
            self.driver(parent, name, {**drive, "task-name": name})
            done = self.group(parent, name, task["componentRef"]["name"], component, given)
            return done._replace(pods=done.pods + 1)
        return self._container(parent, name, task, component, given, drive)

    def _container(self, parent: str, name: str, task: dict, component: dict, given: _Done, drive: dict) -> _Done:
        container, kubernetes = self.pipeline.container(component), self.pipeline.kubernetes(component)
        self.executions += 1
        executor_input, made = self._executor_input(name, component, given)
        patch = pod_spec_patch(
            self.pipeline.name, component, container, kubernetes, executor_input, self.executions
        )
        drive = {
            "component": drive["component"],
            "task": drive["task"],
            "container": to_go_json(container),
            "task-name": name,
            "parent-dag-id": "1",
            "iteration-index": "-1",
            "kubernetes-config": to_go_json(kubernetes),
        }
        answer = [
            _output("pod-spec-patch", patch, default=""),
            _output("cached-decision", "false", default="false"),
            _output("condition", "true", default="true"),
        ]
        self.twice(f"{parent}.{name}-driver", "Pod", "system-container-driver", parent, drive, answer)
        handed = {"pod-spec-patch": patch, "cached-decision": "false", **_metadata(kubernetes), **_retries(task)}
        kind = "retry-" if "retryPolicy" in task else ""
        here = self.twice(f"{parent}.{name}", "DAG", f"{kind}system-container-executor", parent, handed)
        del handed["cached-decision"]
        self.twice(f"{here}.executor", "Pod", f"{kind}system-container-impl", here, handed, [])
        outputs = component.get("outputDefinitions", {}).get("parameters", {})
        parameters = {key: self._answer(f"{name}.{key}", outputs[key]) for key in outputs}
        return _Done(parameters, made, 2)

    def _answer(self, name: str, definition: dict) -> Any:
        return self.answers.get(name, _TYPICAL.get(definition["parameterType"], _TYPICAL_TEXT))

    def _executor_input(self, name: str, component: dict, given: _Done) -> tuple[dict, dict[str, list[dict]]]:
        """What the executor is given, and the artifacts that it makes, as those after it are given them."""
        root = f"{_ARTIFACTS}/{self.pipeline.name}/{_uuid(self.name)}/{name}/{_uuid(f'{name} {self.executions}')}"
        definitions = component.get("outputDefinitions", {})
        types = {key: entry["artifactType"] for key, entry in definitions.get("artifacts", {}).items()}
        types["executor-logs"] = {"schemaTitle": "system.Artifact"}
        outputs: dict[str, Any] = {
            "artifacts": {
                key: {"artifacts": [{"name": key, "type": kind, "uri": f"{root}/{key}", "metadata": {}}]}
                for key, kind in types.items()
            },
            "parameters": {key: {"outputFile": f"/tmp/kfp/outputs/{key}"} for key in definitions.get("parameters", {})},
            "outputFile": f"{root.replace('://', '/')}/output_metadata.json",
        }
        inputs = {
            "parameterValues": given.parameters,
            "artifacts": {key: {"artifacts": entries} for key, entries in given.artifacts.items()},
        }
        made = {
            key: [
                {
                    "name": str(self.executions),
                    "uri": f"{root}/{key}",
                    "metadata": {"display_name": key, "store_session_info": to_go_json(_STORAGE)},
                }
            ]
            for key in types
        }
        return {"inputs": inputs, "outputs": outputs}, made

    # What Argo makes of it.

    def driver(self, parent: str, name: str, given: dict[str, str], *, count: int = 0) -> None:
        """The driver of a group or of a loop."""
        defaults = {
            "component": "", "runtime-config": "", "task": "", "task-name": "",
            "parent-dag-id": "0", "iteration-index": "-1", "driver-type": "DAG",
        }
        answer = [
            _output("execution-id", str(self.executions)),
            _output("iteration-count", str(count), default="0"),
            _output("condition", "true", default="true"),
        ]
        self.executions += 1
        path = f"{parent}.{name}-driver"
        self.twice(path, "Pod", "system-dag-driver", parent, {**defaults, **given}, answer)

    def twice(
        self, path: str, kind: str, template: str, parent: str | None,
        inputs: Mapping[str, str] | None = None, outputs: list[dict] | None = None,
    ) -> str:
        """A node that may be tried again, and its first attempt; returns the attempt's path."""
        attempt = f"{path}(0)"
        self.once(path, "Retry", template, parent, inputs, outputs, children=[attempt])
        self.once(attempt, kind, template, parent, inputs, outputs)
        if parent:
            # Argo has the tasks that wait for a task as its children.
            self.nodes[node_id(self.name, parent)]["children"].append(node_id(self.name, path))
        return attempt

    def once(
        self, path: str, kind: str, template: str, parent: str | None,
        inputs: Mapping[str, str] | None = None, outputs: list[dict] | None = None, children: list[str] = (),
    ) -> None:
        """A node."""
        number = len(self.nodes)
        start = _START + timedelta(seconds=_SECONDS_A_NODE * number)
        written = {
            "id": node_id(self.name, path),
            "name": path,
            "displayName": path.rsplit(").", 1)[-1],
            "type": kind,
            "templateName": template,
            "templateScope": f"local/{self.name}",
            "phase": "Skipped" if kind == "Skipped" else "Succeeded",
            "boundaryID": node_id(self.name, parent or self.name),
            "startedAt": f"{start:%Y-%m-%dT%H:%M:%SZ}",
            "finishedAt": f"{start + timedelta(seconds=_SECONDS_A_NODE):%Y-%m-%dT%H:%M:%SZ}",
            "progress": "1/1",
            "resourcesDuration": {"cpu": number % 17, "memory": number % 97},
            "nodeFlag": {"retried": True},
            "children": [node_id(self.name, child) for child in children],
        }
        if inputs:
            written["inputs"] = {"parameters": [{"name": key, "value": inputs[key]} for key in inputs]}
        if outputs is not None:
            log = f"private-artifacts/kubeflow/{self.name}/{start:%Y/%m/%d}/{written['id']}/main.log"
            artifacts = [{"name": "main-logs", "s3": {"key": log}}]
            written["outputs"] = {"parameters": outputs, "artifacts": artifacts, "exitCode": "0"}
        if kind == "Pod":
            written["hostNodeName"] = _HOST
        self.nodes[written["id"]] = written

    def _parent_and_condition(self) -> dict[str, str]:
        return {"parent-dag-id": str(self.executions), "condition": "true"}

    def _item(self, number: int) -> dict[str, str]:
        return {"parent-dag-id": str(self.executions), "iteration-index": str(number)}


def _in_order(tasks: dict[str, dict]) -> list[tuple[str, dict]]:
    """Each task after those that it needs."""
    ordered: dict[str, dict] = {}

    def visit(name: str) -> None:
        for needed in tasks[name].get("dependentTasks", []):
            visit(needed)
        ordered.setdefault(name, tasks[name])

    for name in tasks:
        visit(name)
    return list(ordered.items())


def _is_exit(task: dict) -> bool:
    return task.get("triggerPolicy", {}).get("strategy") == "ALL_UPSTREAM_TASKS_COMPLETED"


def _inputs(task: dict, scope: _Done, siblings: dict[str, _Done]) -> _Done:
    given = task.get("inputs", {})
    parameters = {}
    for key, source in given.get("parameters", {}).items():
        if "runtimeValue" in source:
            parameters[key] = source["runtimeValue"]["constant"]
        elif "componentInputParameter" in source:
            value = scope.parameters.get(source["componentInputParameter"], "")
            part = source.get("parameterExpressionSelector", "").partition('["')[2].removesuffix('"]')
            parameters[key] = value[part] if part else value
        else:
            output = source["taskOutputParameter"]
            parameters[key] = siblings[output["producerTask"]].parameters[output["outputParameterKey"]]
    artifacts = {}
    for key, source in given.get("artifacts", {}).items():
        if "componentInputArtifact" in source:
            artifacts[key] = scope.artifacts.get(source["componentInputArtifact"], [])
        else:
            output = source["taskOutputArtifact"]
            artifacts[key] = siblings[output["producerTask"]].artifacts.get(output["outputArtifactKey"], [])
    for key, value in parameters.items():
        if isinstance(value, str) and value.startswith("{{$.inputs.parameters['"):
            parameters[key] = parameters[value.split("'")[1]]
    return _Done(parameters, artifacts, 0)


def _outputs(definitions: dict, done: dict[str, _Done]) -> tuple[dict[str, Any], dict[str, list[dict]]]:
    parameters = {}
    for key, source in definitions.get("parameters", {}).items():
        output = source["valueFromParameter"]
        parameters[key] = done[output["producerSubtask"]].parameters[output["outputParameterKey"]]
    artifacts = {}
    for key, source in definitions.get("artifacts", {}).items():
        chosen = source["artifactSelectors"]
        artifacts[key] = [
            entry for one in chosen for entry in done[one["producerSubtask"]].artifacts.get(one["outputArtifactKey"], [])
        ]
    return parameters, artifacts


def _items(source: dict, parameters: dict[str, Any]) -> list:
    return parameters[source["inputParameter"]] if "inputParameter" in source else json.loads(source["raw"])


def _output(name: str, value: str, **default: str) -> dict:
    return {"name": name, "value": value, "valueFrom": {"path": f"/tmp/outputs/{name}", **default}}


def _metadata(kubernetes: dict) -> dict[str, str]:
    labels = sorted(kubernetes.get("podMetadata", {}).get("labels", {}).items())
    parameters = {}
    for number, (key, value) in enumerate(labels, start=1):
        parameters |= {f"pod-metadata-label-key-{number}": key, f"pod-metadata-label-val-{number}": value}
    return parameters


def _retries(task: dict) -> dict[str, str]:
    policy = task.get("retryPolicy")
    if policy is None:
        return {}
    return {
        "retry-max-count": str(policy["maxRetryCount"]),
        "retry-backoff-duration": policy["backoffDuration"].removesuffix("s"),
        "retry-backoff-factor": str(policy["backoffFactor"]),
        "retry-backoff-max-duration": policy["backoffMaxDuration"].removesuffix("s"),
    }


def _uuid(text: str) -> str:
    from hashlib import sha256

    digits = sha256(text.encode()).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))
