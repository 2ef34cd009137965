"""Compiled pipelines: KFP's intermediate representation, and the Kubernetes settings of the tasks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class CompiledPipeline:
    """A compiled pipeline: KFP's intermediate representation, and Kubernetes settings by label of the executor."""

    spec: dict
    platform: dict

    @property
    def defaults(self) -> dict[str, Any]:
        """Defaults of the pipeline's inputs, by name."""
        parameters = self.spec["root"].get("inputDefinitions", {}).get("parameters", {})
        return {name: definition.get("defaultValue", "") for name, definition in parameters.items()}

    def component(self, task: dict) -> dict:
        """The component of a task."""
        return self.spec["components"][task["componentRef"]["name"]]

    def container(self, component: dict) -> dict:
        """The container of a component that is no group."""
        return self.spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]

    def kubernetes(self, component: dict) -> dict:
        """The Kubernetes settings of a component that is no group."""
        return self.platform.get(component["executorLabel"], {})

    def executor_settings(self, task: dict) -> dict[str, str]:
        """Parameters of an executor besides its pod: labels and retries."""
        labels = self.kubernetes(self.component(task)).get("podMetadata", {}).get("labels", {})
        settings = {}
        for number, (key, value) in enumerate(sorted(labels.items()), start=1):
            settings |= {f"pod-metadata-label-key-{number}": key, f"pod-metadata-label-val-{number}": value}
        if policy := task.get("retryPolicy"):
            settings |= {
                "retry-max-count": str(policy["maxRetryCount"]),
                "retry-backoff-duration": policy["backoffDuration"].removesuffix("s"),
                "retry-backoff-factor": str(policy["backoffFactor"]),
                "retry-backoff-max-duration": policy["backoffMaxDuration"].removesuffix("s"),
            }
        return settings


def read_pipeline(path: Path) -> CompiledPipeline:
    """Read a YAML file that `palm.pipelines.compile.compile_pipeline` has written."""
    # The C loader, where PyYAML has one, takes a tenth of the time.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    spec, platforms = yaml.load_all(path.read_text(encoding="utf-8"), loader)
    return CompiledPipeline(spec, platforms["platforms"]["kubernetes"]["deploymentSpec"]["executors"])
