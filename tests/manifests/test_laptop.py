"""`overlays/dev` fits on a laptop, beside Kubernetes and Kubeflow Pipelines."""

import functools
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from kubernetes.utils import parse_quantity
from support.built_manifests import find
from support.overlays import Pod, configuration, found, overlay, pod, pods

from palm.config.cluster import Cluster
from palm.pipelines.compile import PIPELINES, compile_pipeline

LAPTOP = {"cpu": Decimal(2), "memory": parse_quantity("8Gi")}
OTHERS = {"cpu": Decimal(1), "memory": parse_quantity("3.5Gi")}
"""What pods of Kubeflow Pipelines 2.17 ask for in its manifests (774m, 3.3Gi), and the cluster's DNS."""
CLAIMS = parse_quantity("10Gi")


def test_everything_that_runs_at_once_finds_room():
    assert list(problems(overlay("dev"))) == []


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        pytest.param(lambda o: _settings(o).update({"cluster.tasks.cpu": "2"}), "2.400 cpu are", id="tasks of 2 cores"),
        pytest.param(lambda o: _settings(o).update({"cluster.tasks.memory": "4Gi"}), "memory are", id="tasks of 4 GiB"),
        pytest.param(lambda o: pod(o, "mlflow").owner["spec"].update(replicas=3), "cpu are", id="three servers"),
        pytest.param(lambda o: _requests(pod(o, "palm-smoke").containers[0]).update(cpu="1"), "cpu are", id="a Job"),
        pytest.param(lambda o: _requests(_claim(o)["spec"]).update(storage="9Gi"), "claims of", id="a claim"),
    ],
)
def test_too_large_requests_are_found(plant, message):
    objects = overlay("dev")
    plant(objects)
    assert any(message in problem for problem in problems(objects))


@functools.cache
def _tasks(cluster: str) -> list[dict]:
    """Containers of the tasks of every pipeline, compiled for a section `cluster`, given as JSON text."""
    containers = []
    with tempfile.TemporaryDirectory() as folder:
        for name in PIPELINES:
            path = Path(folder) / f"{name}.yaml"
            compile_pipeline(name, path, Cluster.model_validate_json(cluster))
            spec, *_ = yaml.safe_load_all(path.read_text())
            containers += [one["container"] for one in spec["deploymentSpec"]["executors"].values()]
    return containers


def problems(objects: list[dict]) -> Iterator[str]:
    """The servers, one task and one Job must find room, and the claims a disk."""
    tasks = _tasks(configuration(objects).cluster.model_dump_json())
    for kind, most in LAPTOP.items():
        servers = [one for one in pods(objects) if one.is_server]
        jobs = [one for one in pods(objects) if not one.is_server]
        asked = (
            sum(_asked(one, kind) * one.owner["spec"]["replicas"] for one in servers)
            + max(_asked(one, kind) for one in jobs)
            + max(parse_quantity(task["resources"][f"resource{kind.capitalize()}Request"]) for task in tasks)
        )
        if asked > most - OTHERS[kind]:
            yield f"{asked} {kind} are asked for, a laptop has {most - OTHERS[kind]} left"
    claims = sum(parse_quantity(_requests(one["spec"])["storage"]) for one in _claims(objects))
    if claims > CLAIMS:
        yield f"claims of {claims} bytes"


def _asked(one: Pod, kind: str) -> Decimal:
    """Init containers run one after the other, before the others."""
    first = [parse_quantity(_requests(container)[kind]) for container in one.spec.get("initContainers", [])]
    return max([*first, sum(parse_quantity(_requests(container)[kind]) for container in one.spec["containers"])])


def _requests(one: dict) -> dict:
    return one["resources"]["requests"]


def _settings(objects: list[dict]) -> dict:
    return find(objects, "ConfigMap", "palm-settings")["data"]


def _claim(objects: list[dict]) -> dict:
    return find(objects, "PersistentVolumeClaim", "mlflow")


def _claims(objects: list[dict]) -> Iterator[dict]:
    yield from found(objects, "PersistentVolumeClaim")
    for one in found(objects, "StatefulSet"):
        yield from one["spec"].get("volumeClaimTemplates", [])
