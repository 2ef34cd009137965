"""A container of a manifest as a process of this machine, with folders in place of mounts."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from support.built_manifests import environment_of, expanded, find, pod_of

_INHERITED = ("PATH", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


def run_container(
    workload: dict,
    container: dict,
    objects: tuple[dict, ...],
    *,
    secrets: Mapping[str, Mapping[str, str]],
    folder: Path,
    changed: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess:
    """Run one container of a Job or CronJob to its end.

    Args:
        workload: a Job or a CronJob.
        container: of its pod.
        objects: where its ConfigMaps are.
        secrets: keys and values of every Secret that exists, by name.
        folder: of the pod; containers with the same one share its volumes.
        changed: variables that replace those of the manifest.
    """
    environment = environment_of(container, objects, secrets) | (changed or {})
    places = _mounts(workload, container, objects, folder)
    environment = {name: _here(value, places) for name, value in environment.items()}
    command = [_here(part, places) for part in [*container["command"], *container.get("args", [])]]
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    # The programs of this project's environment, which are those of the image.
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        expanded(command, environment),
        env={**inherited, **path, "HOME": str(folder), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def _mounts(workload: dict, container: dict, objects: tuple[dict, ...], folder: Path) -> dict[str, Path]:
    """A folder for every mount, filled where it is a ConfigMap."""
    volumes = {volume["name"]: volume for volume in pod_of(workload).get("volumes", [])}
    places = {}
    for mount in container.get("volumeMounts", []):
        place = places[mount["mountPath"]] = folder / mount["name"]
        if "configMap" in volumes[mount["name"]]:
            shutil.rmtree(place, ignore_errors=True)
        place.mkdir(exist_ok=True)
        if "configMap" in volumes[mount["name"]]:
            for name, text in find(objects, "ConfigMap", volumes[mount["name"]]["configMap"]["name"])["data"].items():
                (place / name).write_text(text)
    return places


def _here(value: str, places: Mapping[str, Path]) -> str:
    for mounted, place in places.items():
        if value == mounted or value.startswith(f"{mounted}/"):
            return str(place) + value.removeprefix(mounted)
    return value
