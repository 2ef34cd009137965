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
_KUBECTL = Path(sys.executable).with_name("kubectl")


@functools.cache
def built(*parts: str) -> tuple[dict, ...]:
    """The objects of a folder of manifests, with components added, as `kubectl apply --kustomize` would send them.

    Args:
        parts: the folder, then its components, all relative to `manifests`.

    Returns:
        Every object; shared, so not to be changed.
    """
    # Beside the manifests: kustomize takes no absolute paths.
    with tempfile.TemporaryDirectory(dir=MANIFESTS.parent, prefix=".built-") as folder:
        places = [f"../manifests/{part}" for part in parts]
        overlay = {"namespace": "palm", "resources": places[:1], "components": places[1:]}
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
        done = subprocess.run([_KUBECTL, "kustomize", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def find(objects: tuple[dict, ...], kind: str, name: str) -> dict:
    """One object by kind and name; the hash that kustomize puts behind a generated name is left out."""
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
    """A container or init container by name."""
    pod = pod_of(workload)
    (found,) = [each for each in [*pod.get("initContainers", []), *pod["containers"]] if each["name"] == name]
    return found


def environment_of(
    container: dict, objects: tuple[dict, ...], secrets: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """The variables that a container gets from ConfigMaps, Secrets and the manifest itself, the later over the earlier.

    Args:
        container: of a pod's specification.
        objects: where its ConfigMaps are.
        secrets: keys and values of every Secret that exists, by name.

    Returns:
        Name to value.
    """
    values: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            values |= find(objects, "ConfigMap", source["configMapRef"]["name"])["data"]
        elif not (source["secretRef"].get("optional") and source["secretRef"]["name"] not in secrets):
            values |= secrets[source["secretRef"]["name"]]
    for variable in container.get("env", []):
        if "value" in variable:
            values[variable["name"]] = variable["value"]
            continue
        if "configMapKeyRef" in variable["valueFrom"]:
            reference = variable["valueFrom"]["configMapKeyRef"]
            values[variable["name"]] = find(objects, "ConfigMap", reference["name"])["data"][reference["key"]]
            continue
        reference = variable["valueFrom"]["secretKeyRef"]
        if reference["key"] in secrets[reference["name"]] or not reference.get("optional"):
            values[variable["name"]] = secrets[reference["name"]][reference["key"]]
    return values


def expanded(arguments: list[str], environment: Mapping[str, str]) -> list[str]:
    """Arguments with `$(NAME)` replaced, as Kubernetes does it."""
    return [re.sub(r"\$\((\w+)\)", lambda match: environment[match[1]], argument) for argument in arguments]
