"""Objects that `kubectl apply -k` would apply: the built overlays, their pods and their configuration."""

import copy
import functools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from support.built_manifests import MANIFESTS, find, kustomize

from palm.config.load import load_config
from palm.config.overrides import read_overrides
from palm.config.portfolio import PortfolioConfig

OVERLAYS = sorted(folder.name for folder in (MANIFESTS / "overlays").iterdir())


@functools.cache
def _objects(folder: str) -> list[dict]:
    return list(yaml.load_all(kustomize(MANIFESTS / folder), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def build(folder: str) -> list[dict]:
    """Objects of a folder below manifests; a copy that may be changed."""
    return copy.deepcopy(_objects(folder))


def overlay(name: str) -> list[dict]:
    return build(f"overlays/{name}")


def found(objects: list[dict], kind: str, name: str | None = None) -> list[dict]:
    return [one for one in objects if one["kind"] == kind and name in (None, one["metadata"]["name"])]


def configuration(objects: list[dict]) -> PortfolioConfig:
    """The portfolio of an overlay, with its settings, as `palm schedule` loads it."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("palm-config", "palm-settings"):
            (Path(folder) / name).mkdir()
            for key, value in find(objects, "ConfigMap", name)["data"].items():
                (Path(folder) / name / key).write_text(value)
        settings = read_overrides(Path(folder) / "palm-settings")
        return load_config(Path(folder) / "palm-config" / "portfolio.yaml", settings)


@dataclass(frozen=True)
class Pod:
    """The pod template of an object, and the object."""

    owner: dict
    template: dict

    @property
    def name(self) -> str:
        return f"{self.owner['kind']}/{self.owner['metadata']['name']}"

    @property
    def spec(self) -> dict:
        return self.template["spec"]

    @property
    def labels(self) -> dict:
        return self.template["metadata"]["labels"]

    @property
    def containers(self) -> list[dict]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def is_server(self) -> bool:
        return self.owner["kind"] in ("Deployment", "StatefulSet")


def pods(objects: list[dict]) -> list[Pod]:
    return [
        Pod(one, one["spec"].get("jobTemplate", one)["spec"]["template"])
        for one in objects
        if one["kind"] in ("Deployment", "StatefulSet", "Job", "CronJob")
    ]


def containers(objects: list[dict]) -> Iterator[tuple[Pod, dict]]:
    for one in pods(objects):
        for container in one.containers:
            yield one, container


def pod(objects: list[dict], name: str) -> Pod:
    (one,) = [pod for pod in pods(objects) if pod.owner["metadata"]["name"] == name]
    return one
