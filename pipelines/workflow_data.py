"""What the tasks of a compiled pipeline hand to one another, followed through groups and loops."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# How KFP hands an input to a field that takes text, such as a task's memory.
PLACEHOLDER = re.compile(r"\{\{\$\.inputs\.parameters\['([^']+)'\]\}\}")
_PART = re.compile(r'parseJson\(string_value\)\["([^"]+)"\]')


@dataclass(frozen=True)
class Values:
    """Inputs or outputs of a task.

    Attributes:
        parameters: by name.
        artifacts: by name, each a list: of a loop's output it has one for each item.
    """

    parameters: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, list[dict]] = field(default_factory=dict)


def in_order(tasks: dict[str, dict]) -> Iterator[tuple[str, dict]]:
    """Each task of a group after those that it needs.

    Args:
        tasks: by name.

    Yields:
        Name and task.
    """
    seen: set[str] = set()

    def visit(name: str) -> Iterator[tuple[str, dict]]:
        if name not in seen:
            seen.add(name)
            for needed in tasks[name].get("dependentTasks", []):
                yield from visit(needed)
            yield name, tasks[name]

    for name in tasks:
        yield from visit(name)


def task_inputs(task: dict, group: Values, done: dict[str, Values]) -> Values:
    """What a task is given.

    Args:
        task: the task.
        group: inputs of the group that it is in.
        done: outputs of the tasks before it.

    Returns:
        Its inputs.
    """
    given = task.get("inputs", {})
    parameters = {key: _parameter(source, group, done) for key, source in given.get("parameters", {}).items()}
    for key, value in parameters.items():
        if isinstance(value, str) and (placeholder := PLACEHOLDER.fullmatch(value)):
            parameters[key] = parameters[placeholder[1]]
    artifacts = {key: _artifact(source, group, done) for key, source in given.get("artifacts", {}).items()}
    return Values(parameters, artifacts)


def group_outputs(group: dict, done: dict[str, Values]) -> Values:
    """What a group gives.

    Args:
        group: its description in KFP's intermediate representation.
        done: outputs of its tasks.

    Returns:
        Its outputs.
    """
    definitions = group.get("outputs", {})
    parameters = {}
    for key, definition in definitions.get("parameters", {}).items():
        source = definition["valueFromParameter"]
        parameters[key] = done[source["producerSubtask"]].parameters[source["outputParameterKey"]]
    artifacts = {}
    for key, definition in definitions.get("artifacts", {}).items():
        sources = definition["artifactSelectors"]
        found = (done[source["producerSubtask"]].artifacts[source["outputArtifactKey"]] for source in sources)
        artifacts[key] = [artifact for entries in found for artifact in entries]
    return Values(parameters, artifacts)


def loop_items(task: dict, given: Values) -> Iterator[Values]:
    """What each item of a loop is given.

    Args:
        task: the loop.
        given: its inputs.

    Yields:
        Inputs of one item.
    """
    iterator = task["parameterIterator"]
    source = iterator["items"]
    items = given.parameters[source["inputParameter"]] if "inputParameter" in source else json.loads(source["raw"])
    for item in items:
        yield Values({**given.parameters, iterator["itemInput"]: item}, given.artifacts)


def collected(component: dict, items: list[Values]) -> Values:
    """What a loop gives.

    Args:
        component: of the loop.
        items: what its items have given.

    Returns:
        Of each output parameter the list of all; of each output artifact all.
    """
    outputs = component["dag"].get("outputs", {})
    return Values(
        {key: [item.parameters[key] for item in items] for key in outputs.get("parameters", {})},
        {key: [entry for item in items for entry in item.artifacts[key]] for key in outputs.get("artifacts", {})},
    )


def _parameter(source: dict, group: Values, done: dict[str, Values]) -> Any:
    if "runtimeValue" in source:
        return source["runtimeValue"]["constant"]
    if "taskOutputParameter" in source:
        output = source["taskOutputParameter"]
        return done[output["producerTask"]].parameters[output["outputParameterKey"]]
    value = group.parameters[source["componentInputParameter"]]
    part = _PART.fullmatch(source.get("parameterExpressionSelector", ""))
    return value[part[1]] if part else value


def _artifact(source: dict, group: Values, done: dict[str, Values]) -> list[dict]:
    if "taskOutputArtifact" in source:
        output = source["taskOutputArtifact"]
        return done[output["producerTask"]].artifacts[output["outputArtifactKey"]]
    return group.artifacts[source["componentInputArtifact"]]
