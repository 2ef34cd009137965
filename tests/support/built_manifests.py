"""Manifests built by kustomize, and the command and environment of a container in them."""

import functools
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

MANIFESTS = Path(__file__).parents[2] / "manifests"
KUBECTL = Path(sys.executable).with_name("kubectl")


def kustomize(folder: Path | str) -> str:
    """Output of `kubectl kustomize`; a warning is about something that a later version refuses."""
    done = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True)
    assert done.returncode == 0 and "Warning" not in done.stderr, done.stderr
    return done.stdout


@functools.cache
def built(*parts: str) -> tuple[dict, ...]:
    """Objects of a folder of manifests and of components, relative to `manifests`; shared, so not to be changed."""
    # Beside the manifests: kustomize takes no absolute paths.
    with tempfile.TemporaryDirectory(dir=MANIFESTS.parent, prefix=".built-") as folder:
        overlay = {"namespace": "palm", "resources": [], "components": []}
        for part in parts:
            kind = "components" if part.startswith("components/") else "resources"
            overlay[kind].append(f"../manifests/{part}")
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
        return tuple(yaml.safe_load_all(kustomize(folder)))


def find(objects: tuple[dict, ...], kind: str, name: str) -> dict:
    """One object by kind and name, without the hash that kustomize appends to generated names."""
    (found,) = [
        each
        for each in objects
        if each["kind"] == kind and re.fullmatch(rf"{name}(-[a-z0-9]{{10}})?", each["metadata"]["name"])
    ]
    return found


def pod_of(workload: dict) -> dict:
    """The pod's specification of a Deployment, a StatefulSet, a Job or a CronJob."""
    spec = workload["spec"]
    return spec.get("jobTemplate", workload)["spec"]["template"]["spec"]


def container_of(workload: dict, name: str) -> dict:
    pod = pod_of(workload)
    (found,) = [each for each in [*pod.get("initContainers", []), *pod["containers"]] if each["name"] == name]
    return found


def environment_of(
    container: dict, objects: tuple[dict, ...], secrets: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Variables of a container.

    Args:
        container: of a pod's specification.
        objects: where its ConfigMaps are.
        secrets: keys and values of every Secret that exists, by name.
    """
    values: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            values |= find(objects, "ConfigMap", source["configMapRef"]["name"])["data"]
        elif not (source["secretRef"].get("optional") and source["secretRef"]["name"] not in secrets):
            values |= secrets[source["secretRef"]["name"]]
    for variable in container.get("env", []):
        source = variable.get("valueFrom", {})
        if "value" in variable:
            values[variable["name"]] = variable["value"]
        elif reference := source.get("configMapKeyRef"):
            values[variable["name"]] = find(objects, "ConfigMap", reference["name"])["data"][reference["key"]]
        else:
            reference = source["secretKeyRef"]
            if reference["key"] in secrets[reference["name"]] or not reference.get("optional"):
                values[variable["name"]] = secrets[reference["name"]][reference["key"]]
    return values


def expanded(arguments: list[str], environment: Mapping[str, str]) -> list[str]:
    """Arguments with `$(NAME)` replaced, as Kubernetes does it."""
    return [re.sub(r"\$\((\w+)\)", lambda match: environment[match[1]], argument) for argument in arguments]
