"""Objects that `kubectl apply -k` would apply: the built overlays, their pods and their configuration."""

import copy
import functools
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml
from support.built_manifests import MANIFESTS, find

from palm.config.load import load_config
from palm.config.overrides import read_overrides
from palm.config.portfolio import PortfolioConfig

OVERLAYS = sorted(folder.name for folder in (MANIFESTS / "overlays").iterdir())
_KUBECTL = Path(sys.executable).with_name("kubectl")


@functools.cache
def _text(folder: Path) -> str:
    done = subprocess.run([_KUBECTL, "kustomize", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # Such a warning is of something that a later version refuses.
    assert "Warning" not in done.stderr, done.stderr
    return done.stdout


@functools.cache
def _objects(folder: Path) -> list[dict]:
    return list(yaml.load_all(_text(folder), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def build(folder: str) -> list[dict]:
    """The objects of a folder below manifests, to be changed at will."""
    return copy.deepcopy(_objects(MANIFESTS / folder))


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
    """A pod that some object makes.

    Attributes:
        owner: the object.
        template: its pod template, with metadata and spec.
    """

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
    found = []
    for one in objects:
        spec = one.get("spec", {})
        if one["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if one["kind"] in ("Deployment", "StatefulSet", "Job", "CronJob"):
            found.append(Pod(one, spec["template"]))
    return found


def pod(objects: list[dict], name: str) -> Pod:
    (one,) = [pod for pod in pods(objects) if pod.owner["metadata"]["name"] == name]
    return one
