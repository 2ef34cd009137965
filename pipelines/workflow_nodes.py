"""The nodes that Argo Workflows keeps of a run of a compiled pipeline, written out as it would write them.

The rules are those of KFP's compiler and driver (backend/src/v2 of kubeflow/pipelines 2.17). A task is a driver's pod
and an executor's pod; a group is a driver's pod and a DAG; a loop is a group that has another group for each item.
Every pod and every DAG is two nodes, because it may be tried again. What makes a status large stands in them: a driver
is given its component, task and container, and its answer, the patch of the executor's pod, stands in six nodes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from palm.pipelines.argo_text import node_id, to_go_json
from palm.pipelines.compiled import CompiledPipeline
from palm.pipelines.executor_input import executor_input, executor_outputs, output_place
from palm.pipelines.pod_spec_patch import pod_spec_patch
from palm.pipelines.workflow_data import Values, collected, group_outputs, in_order, loop_items, task_inputs

_SUFFIX = "x7k2q"  # Argo's own are as long.
_START, _SECONDS_A_NODE = datetime(2026, 11, 27, 10, tzinfo=UTC), 7
_FIRST_EXECUTION = 100

Answers = Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]
"""Name of a task to what its output parameters are, given its input parameters."""


class RunNodes(NamedTuple):
    """What a run leaves in its workflow.

    Attributes:
        nodes: by id.
        longest_path: pods that wait for one another.
    """

    nodes: dict[str, dict]
    longest_path: int


def run_nodes(pipeline: CompiledPipeline, given: Mapping[str, Any], answers: Answers) -> RunNodes:
    """The nodes of a run that goes through at the first attempt, with nothing found in KFP's cache.

    Args:
        pipeline: the compiled pipeline.
        given: inputs of the run; those that are missing have their defaults.
        answers: of its tasks, as far as they are known. A loop over an output parameter has an item for each of its
            values.

    Returns:
        The nodes, and the pods on the longest path through them.
    """
    run = _Run(pipeline, answers)
    inputs = {**pipeline.defaults, **given}
    entry = run.twice(run.workflow, "DAG", "entrypoint", parent=None)
    runtime = to_go_json({"parameterValues": inputs})
    run.group_driver(entry, "root", pipeline.root, {"runtime-config": runtime, "driver-type": "ROOT_DAG"})
    _, pods = run.group(entry, "root", "root", pipeline.root, Values(inputs))
    return RunNodes(run.nodes, 1 + pods)


@dataclass
class _Run:
    """Walks through a pipeline as its run does; what a part gives comes back with the pods on its longest path."""

    pipeline: CompiledPipeline
    answers: Answers
    nodes: dict[str, dict] = field(default_factory=dict)
    execution: int = _FIRST_EXECUTION

    @property
    def workflow(self) -> str:
        return f"{self.pipeline.name}-{_SUFFIX}"

    def group(self, parent: str, name: str, template: str, component: dict, given: Values) -> tuple[Values, int]:
        """A DAG of tasks, without its driver."""
        here = self.twice(f"{parent}.{name}", "DAG", template, parent, {**self._inside(), "condition": "true"})
        done: dict[str, Values] = {}
        ends: dict[str, int] = {}
        for key, task in in_order(component["dag"]["tasks"]):
            place = self._exit_hook(here, template, key, task) if _is_exit(task) else here
            done[key], pods = self._task(place, key, task, task_inputs(task, given, done))
            ends[key] = pods + max((ends[needed] for needed in task.get("dependentTasks", [])), default=0)
        return group_outputs(component["dag"], done), max(ends.values())

    def _exit_hook(self, group: str, template: str, name: str, task: dict) -> str:
        hook = f"{group}.{task['dependentTasks'][0]}.onExit"
        return self.twice(hook, "DAG", f"exit-hook-{template}-{name}", group, self._inside())

    def _task(self, parent: str, name: str, task: dict, given: Values) -> tuple[Values, int]:
        component = self.pipeline.component(task)
        if "parameterIterator" in task:
            return self._loop(parent, name, task, component, given)
        if "dag" not in component:
            return self._container(parent, name, task, component, given)
        self.group_driver(parent, name, component, {**self._inside(), "task": to_go_json(task), "task-name": name})
        done, pods = self.group(parent, name, task["componentRef"]["name"], component, given)
        return done, 1 + pods

    def _loop(self, parent: str, name: str, task: dict, component: dict, given: Values) -> tuple[Values, int]:
        template = task["componentRef"]["name"]
        inside = self._inside()
        drive = {**inside, "task": to_go_json(task), "task-name": name}
        here = self.twice(f"{parent}.{name}", "DAG", f"{template}-{name}-iterator", parent, inside)
        items = list(loop_items(task, given))
        self.group_driver(here, "iteration", component, drive, count=len(items))
        iterations = f"{here}.iteration-iterations"
        paths = [f"{iterations}({number}:{number})" for number in range(len(items))]
        self._once(iterations, "TaskGroup" if items else "Skipped", f"{template}-iteration", here, children=paths)
        done, pods = [], 0
        for number, (path, item) in enumerate(zip(paths, items, strict=True)):
            index = {"iteration-index": str(number)}
            place = self.twice(path, "DAG", f"{template}-iteration", here, {**self._inside(), **index})
            self.group_driver(place, "iteration-item", component, {**drive, **index})
            made, pods = self.group(place, "iteration-item", template, component, item)
            done.append(made)
        at_once = task.get("iteratorPolicy", {}).get("parallelismLimit") or len(items) or 1
        waves = -(-len(items) // at_once)
        return collected(component, done), 1 + waves * (1 + pods)

    def _container(self, parent: str, name: str, task: dict, component: dict, given: Values) -> tuple[Values, int]:
        self.execution += 1
        container, kubernetes = self.pipeline.container(component), self.pipeline.kubernetes(component)
        place = output_place(self.workflow, name, self.execution)
        handed = executor_input(component, given, place)
        patch = pod_spec_patch(self.pipeline.name, component, container, kubernetes, handed, self.execution)
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
        self.twice(f"{parent}.{name}-driver", "Pod", "system-container-driver", parent, drive, answer)
        settings = self.pipeline.executor_settings(task)
        executor = {"pod-spec-patch": patch, "cached-decision": "false", **settings}
        here = self.twice(f"{parent}.{name}", "DAG", "retry-system-container-executor", parent, executor)
        launcher = {"pod-spec-patch": patch, **settings}
        self.twice(f"{here}.executor", "Pod", "retry-system-container-impl", here, launcher, [])
        answers = self.answers[name](given.parameters) if name in self.answers else {}
        return executor_outputs(component, answers, place, self.execution), 2

    def group_driver(self, parent: str, name: str, component: dict, given: dict[str, str], *, count: int = 0) -> None:
        """The driver of a group, of a loop or of one of its items."""
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
        self.twice(f"{parent}.{name}-driver", "Pod", "system-dag-driver", parent, inputs, answer)

    def twice(
        self,
        path: str,
        kind: str,
        template: str,
        parent: str | None,
        inputs: dict[str, str] | None = None,
        outputs: list[dict] | None = None,
    ) -> str:
        """Two nodes: what may be tried again, and its first attempt. Returns the attempt's path."""
        attempt = f"{path}(0)"
        self._once(path, "Retry", template, parent, inputs, outputs, children=[attempt])
        self._once(attempt, kind, template, parent, inputs, outputs)
        if parent:  # Argo hangs a task on those that it waits for; here all hang on their group.
            self.nodes[node_id(self.workflow, parent)]["children"].append(node_id(self.workflow, path))
        return attempt

    def _once(
        self,
        path: str,
        kind: str,
        template: str,
        parent: str | None,
        inputs: dict[str, str] | None = None,
        outputs: list[dict] | None = None,
        children: list[str] | None = None,
    ) -> None:
        identity, number = node_id(self.workflow, path), len(self.nodes)
        start = _START + timedelta(seconds=_SECONDS_A_NODE * number)
        self.nodes[identity] = node = {
            "id": identity,
            "name": path,
            "displayName": path.rsplit(").", 1)[-1],
            "type": kind,
            "templateName": template,
            "templateScope": f"local/{self.workflow}",
            "phase": "Skipped" if kind == "Skipped" else "Succeeded",
            "boundaryID": node_id(self.workflow, parent or self.workflow),
            "startedAt": f"{start:%Y-%m-%dT%H:%M:%SZ}",
            "finishedAt": f"{start + timedelta(seconds=_SECONDS_A_NODE):%Y-%m-%dT%H:%M:%SZ}",
            "progress": "1/1",
            "resourcesDuration": {"cpu": number % 17, "memory": number % 97},
            "nodeFlag": {"retried": True},
            "children": [node_id(self.workflow, child) for child in children or []],
        }
        if inputs:
            node["inputs"] = {"parameters": [{"name": key, "value": value} for key, value in inputs.items()]}
        if outputs is not None:
            log = f"private-artifacts/kubeflow/{self.workflow}/{start:%Y/%m/%d}/{identity}/main.log"
            artifacts = [{"name": "main-logs", "s3": {"key": log}}]
            node["outputs"] = {"parameters": outputs, "artifacts": artifacts, "exitCode": "0"}
        if kind == "Pod":
            node["hostNodeName"] = "worker-0.cluster.internal"

    def _inside(self) -> dict[str, str]:
        return {"parent-dag-id": str(self.execution)}


def _is_exit(task: dict) -> bool:
    return task.get("triggerPolicy", {}).get("strategy") == "ALL_UPSTREAM_TASKS_COMPLETED"


def _output(name: str, value: str, **default: str) -> dict:
    return {"name": name, "value": value, "valueFrom": {"path": f"/tmp/outputs/{name}", **default}}
