"""Nodes that Argo Workflows keeps of a run of a compiled pipeline, as it writes them.

The rules are those of KFP's compiler and driver (backend/src/v2 of kubeflow/pipelines 2.17). A task is a driver's pod
and an executor's pod; a group is a driver's pod and a DAG; a loop is a group that has another group for each item.
Every pod and every DAG is two nodes, because it may be retried. Most of a status is text inside them: a driver is given
its component, task and container, and its answer, the patch of the executor's pod, is in six nodes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from graphlib import TopologicalSorter
from typing import Any

from palm.pipelines.compiled import CompiledPipeline
from palm.pipelines.task_data import (
    Values,
    executor_input,
    executor_outputs,
    group_outputs,
    output_place,
    pod_spec_patch,
    task_inputs,
    to_go_json,
)

Answers = Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]
"""Name of a task to a function from its inputs to its output parameters. A loop has an item for each value of the
output parameter that it iterates over."""

_SUFFIX = "x7k2q"  # Argo's own are as long.
_START, _SECONDS_A_NODE = datetime(2026, 11, 27, 10, tzinfo=UTC), 7
_FIRST_EXECUTION = 100
_FNV_START, _FNV_PRIME = 2166136261, 16777619
_EXIT = "ALL_UPSTREAM_TASKS_COMPLETED"


def run_nodes(pipeline: CompiledPipeline, given: Mapping[str, Any], answers: Answers) -> dict[str, dict]:
    """The nodes, by id, of a run in which every task succeeds at the first attempt and KFP's cache has nothing.

    Missing inputs of the run have their defaults; answers are those of the tasks, where they are known.
    """
    run, root = _Run(pipeline, answers), pipeline.spec["root"]
    inputs = {**pipeline.defaults, **given}
    entry = run.retried(run.workflow, "DAG", "entrypoint", parent=None)
    runtime = to_go_json({"parameterValues": inputs})
    run.group_driver(entry, "root", root, {"runtime-config": runtime, "driver-type": "ROOT_DAG"})
    run.group(entry, "root", "root", root, inputs)
    return run.nodes


@dataclass
class _Run:
    pipeline: CompiledPipeline
    answers: Answers
    nodes: dict[str, dict] = field(default_factory=dict)
    execution: int = _FIRST_EXECUTION

    @property
    def workflow(self) -> str:
        return f"{self.pipeline.spec['pipelineInfo']['name']}-{_SUFFIX}"

    def group(self, parent: str, name: str, template: str, component: dict, given: Values) -> Values:
        """A DAG of tasks, without its driver; returns its outputs."""
        here = self.retried(f"{parent}.{name}", "DAG", template, parent, {**self._inside(), "condition": "true"})
        tasks, done = component["dag"]["tasks"], {}
        for key in TopologicalSorter(
            {key: task.get("dependentTasks", []) for key, task in tasks.items()}
        ).static_order():
            task, place = tasks[key], here
            if task.get("triggerPolicy", {}).get("strategy") == _EXIT:
                hook = f"{here}.{task['dependentTasks'][0]}.onExit"
                place = self.retried(hook, "DAG", f"exit-hook-{template}-{key}", here, self._inside())
            done[key] = self._task(place, key, task, task_inputs(task, given, done))
        return group_outputs(component["dag"], done)

    def _task(self, parent: str, name: str, task: dict, given: Values) -> Values:
        component = self.pipeline.component(task)
        if "parameterIterator" in task:
            return self._loop(parent, name, task, component, given)
        if "dag" not in component:
            return self._container(parent, name, task, component, given)
        self.group_driver(parent, name, component, {**self._inside(), "task": to_go_json(task), "task-name": name})
        return self.group(parent, name, task["componentRef"]["name"], component, given)

    def _loop(self, parent: str, name: str, task: dict, component: dict, given: Values) -> Values:
        template, inside = task["componentRef"]["name"], self._inside()
        drive = {**inside, "task": to_go_json(task), "task-name": name}
        here = self.retried(f"{parent}.{name}", "DAG", f"{template}-{name}-iterator", parent, inside)
        iterator = task["parameterIterator"]
        items = given[iterator["items"]["inputParameter"]]
        self.group_driver(here, "iteration", component, drive, count=len(items))
        iterations = f"{here}.iteration-iterations"
        paths = [f"{iterations}({number}:{number})" for number in range(len(items))]
        self._node(iterations, "TaskGroup" if items else "Skipped", f"{template}-iteration", here, children=paths)
        made = []
        for number, (path, item) in enumerate(zip(paths, items, strict=True)):
            index = {"iteration-index": str(number)}
            place = self.retried(path, "DAG", f"{template}-iteration", here, {**self._inside(), **index})
            self.group_driver(place, "iteration-item", component, {**drive, **index})
            inputs = {**given, iterator["itemInput"]: item}
            made.append(self.group(place, "iteration-item", template, component, inputs))
        outputs = component["dag"].get("outputs", {})
        collected = {key: [item[key] for item in made] for key in outputs.get("parameters", {})}
        return collected | {key: [e for item in made for e in item[key]] for key in outputs.get("artifacts", {})}

    def _container(self, parent: str, name: str, task: dict, component: dict, given: Values) -> Values:
        self.execution += 1
        container, kubernetes = self.pipeline.container(component), self.pipeline.kubernetes(component)
        place = output_place(self.workflow, name, self.execution)
        patch = pod_spec_patch(component, container, kubernetes, executor_input(component, given, place))
        drive = {
            "component": to_go_json(component),
            "task": to_go_json(task),
            "container": to_go_json(container),
            "task-name": name,
            **self._inside(),
            "iteration-index": "-1",
            "kubernetes-config": to_go_json(kubernetes),
        }
        answer = [
            _output("pod-spec-patch", patch, default=""),
            _output("cached-decision", "false", default="false"),
            _output("condition", "true", default="true"),
        ]
        self.retried(f"{parent}.{name}-driver", "Pod", "system-container-driver", parent, drive, answer)
        settings = self.pipeline.executor_settings(task)
        executor = {"pod-spec-patch": patch, "cached-decision": "false", **settings}
        here = self.retried(f"{parent}.{name}", "DAG", "retry-system-container-executor", parent, executor)
        launcher = {"pod-spec-patch": patch, **settings}
        self.retried(f"{here}.executor", "Pod", "retry-system-container-impl", here, launcher, [])
        answers = self.answers[name](given) if name in self.answers else {}
        return executor_outputs(component, answers, place, self.execution)

    def group_driver(self, parent: str, name: str, component: dict, given: dict[str, str], *, count: int = 0) -> None:
        self.execution += 1
        inputs = {
            "component": to_go_json(component),
            "runtime-config": "",
            "task": "",
            "task-name": "",
            "parent-dag-id": "0",
            "iteration-index": "-1",
            "driver-type": "DAG",
            **given,
        }
        answer = [
            _output("execution-id", str(self.execution)),
            _output("iteration-count", str(count), default="0"),
            _output("condition", "true", default="true"),
        ]
        self.retried(f"{parent}.{name}-driver", "Pod", "system-dag-driver", parent, inputs, answer)

    def retried(
        self,
        path: str,
        kind: str,
        template: str,
        parent: str | None,
        inputs: dict[str, str] | None = None,
        outputs: list[dict] | None = None,
    ) -> str:
        """Two nodes: one that may be retried, and its first attempt. Returns the attempt's path."""
        attempt = f"{path}(0)"
        self._node(path, "Retry", template, parent, inputs, outputs, children=[attempt])
        self._node(attempt, kind, template, parent, inputs, outputs)
        if parent:  # Argo makes a task the child of those that it waits for; here all are children of their group.
            self.nodes[self._id(parent)]["children"].append(self._id(path))
        return attempt

    def _node(
        self,
        path: str,
        kind: str,
        template: str,
        parent: str | None,
        inputs: dict[str, str] | None = None,
        outputs: list[dict] | None = None,
        children: list[str] | None = None,
    ) -> None:
        identity, number = self._id(path), len(self.nodes)
        start = _START + timedelta(seconds=_SECONDS_A_NODE * number)
        self.nodes[identity] = node = {
            "id": identity,
            "name": path,
            "displayName": path.rsplit(").", 1)[-1],
            "type": kind,
            "templateName": template,
            "templateScope": f"local/{self.workflow}",
            "phase": "Skipped" if kind == "Skipped" else "Succeeded",
            "boundaryID": self._id(parent or self.workflow),
            "startedAt": f"{start:%Y-%m-%dT%H:%M:%SZ}",
            "finishedAt": f"{start + timedelta(seconds=_SECONDS_A_NODE):%Y-%m-%dT%H:%M:%SZ}",
            "progress": "1/1",
            "resourcesDuration": {"cpu": number % 17, "memory": number % 97},
            "nodeFlag": {"retried": True},
            "children": [self._id(child) for child in children or []],
        }
        if inputs:
            node["inputs"] = {"parameters": [{"name": key, "value": value} for key, value in inputs.items()]}
        if outputs is not None:
            log = f"private-artifacts/kubeflow/{self.workflow}/{start:%Y/%m/%d}/{identity}/main.log"
            artifacts = [{"name": "main-logs", "s3": {"key": log}}]
            node["outputs"] = {"parameters": outputs, "artifacts": artifacts, "exitCode": "0"}
        if kind == "Pod":
            node["hostNodeName"] = "worker-0.cluster.internal"

    def _id(self, path: str) -> str:
        """Id of a node: the FNV-1a hash of its path. Argo keeps, and so compresses, nodes in the order of their ids."""
        if path == self.workflow:
            return path
        number = _FNV_START
        for byte in path.encode():
            number = (number ^ byte) * _FNV_PRIME % 2**32
        return f"{self.workflow}-{number}"

    def _inside(self) -> dict[str, str]:
        return {"parent-dag-id": str(self.execution)}


def _output(name: str, value: str, **default: str) -> dict:
    return {"name": name, "value": value, "valueFrom": {"path": f"/tmp/outputs/{name}", **default}}
