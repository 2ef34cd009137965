"""A compiled pipeline: KFP's intermediate representation, and what Kubernetes is told of its tasks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class CompiledPipeline:
    """A compiled pipeline.

    Attributes:
        spec: KFP's intermediate representation.
        platform: what Kubernetes is told of its tasks, by the label of their executor.
    """

    spec: dict
    platform: dict

    @property
    def name(self) -> str:
        """Of the pipeline."""
        return self.spec["pipelineInfo"]["name"]

    @property
    def root(self) -> dict:
        """The component that holds all others."""
        return self.spec["root"]

    @property
    def defaults(self) -> dict[str, Any]:
        """What its inputs are unless a run says otherwise."""
        inputs = self.root.get("inputDefinitions", {}).get("parameters", {})
        return {name: definition.get("defaultValue", "") for name, definition in inputs.items()}

    def component(self, task: dict) -> dict:
        """The component of a task."""
        return self.spec["components"][task["componentRef"]["name"]]

    def container(self, component: dict) -> dict:
        """The container of a component that is no group."""
        return self.spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]

    def kubernetes(self, component: dict) -> dict:
        """What Kubernetes is told of a component that is no group."""
        return self.platform.get(component["executorLabel"], {})


def read_pipeline(path: Path) -> CompiledPipeline:
    """Read what `palm compile` has written.

    Args:
        path: YAML file.

    Returns:
        The compiled pipeline.
    """
    spec, *more = yaml.load_all(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    platform = more[0]["platforms"]["kubernetes"]["deploymentSpec"]["executors"] if more else {}
    return CompiledPipeline(spec, platform)
