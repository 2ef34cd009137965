"""Rules of Kubeflow's launcher for the output of a task (kubeflow/pipelines 2.17, KFP launcher v2).

The launcher reads `executor_output.json` after the task's command has ended with 0. What it cannot convert to metadata
fails the task: the work is lost to the run, and every retry fails in the same way. Local runners accept anything, so
local runs are checked against these rules.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from palm.errors import BuildError

OUTPUT = "executor_output.json"
"""File in which a task lists its outputs."""


def check_executor_outputs(folder: Path) -> None:
    """Check the outputs of all tasks below a folder, such as the pipeline root of a local run."""
    for path in sorted(folder.rglob(OUTPUT)):
        problem = next(problems(path.read_text(encoding="utf-8")), None)
        if problem is not None:
            raise BuildError(
                f"task {path.parent.name}: {problem}",
                rule="is refused by Kubeflow's launcher, after the work of the task is done",
                remedy="write strings, finite numbers, booleans, lists or objects; leave out what has no value",
            )


def problems(text: str) -> Iterator[str]:
    """Yield each problem of the content of a task's `executor_output.json`."""
    try:
        output = json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        yield f"{OUTPUT} is not JSON ({error})"
        return
    for name, artifacts in output.get("artifacts", {}).items():
        for artifact in artifacts.get("artifacts", []):
            for key, value in artifact.get("metadata", {}).items():
                # A null inside of a list or an object passes.
                if value is None:
                    yield f"metadata {key}=None of {name}"
    for name, value in output.get("parameterValues", {}).items():
        if value is None:
            yield f"output parameter {name}=None"


def _refuse(constant: str):
    raise ValueError(f"{constant} is no number of JSON")
