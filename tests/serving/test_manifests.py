"""Agreement of `manifests/components/serving` with the commands."""

from pathlib import Path

import pytest
import yaml

from palm.cluster.rollout import VERSION
from palm.promotion.pull import FOLDER
from palm.serving.vllm import VLLM_CONFIG

FOLDER_OF_MANIFESTS = Path(__file__).parents[2] / "manifests" / "components" / "serving"


@pytest.fixture(scope="module")
def objects() -> dict[tuple[str, str], dict]:
    names = yaml.safe_load((FOLDER_OF_MANIFESTS / "kustomization.yaml").read_text())["resources"]
    found = [entry for name in names for entry in yaml.safe_load_all((FOLDER_OF_MANIFESTS / name).read_text())]
    return {(entry["kind"], entry["metadata"]["name"]): entry for entry in found}


@pytest.fixture(scope="module")
def pod(objects) -> dict:
    return objects["Deployment", "vllm"]["spec"]["template"]["spec"]


def test_pods_get_the_version_that_rollout_sets_and_none_from_the_file(objects, pod):
    (version,) = (entry for entry in pod["initContainers"][0]["env"] if entry["name"] == "PALM_VERSION")
    assert version["valueFrom"]["fieldRef"]["fieldPath"] == f"metadata.annotations['{VERSION}']"
    assert "annotations" not in objects["Deployment", "vllm"]["spec"]["template"]["metadata"]


def test_vllm_reads_what_pull_has_written_and_cannot_change_it(pod):
    pull, vllm = pod["initContainers"][0], pod["containers"][0]
    *_, config, destination = pull["command"]
    assert vllm["command"] == ["vllm", "serve", "--config", f"{destination}/{FOLDER}/{VLLM_CONFIG}"]
    mounts = {mount["name"]: mount for container in (pull, vllm) for mount in container["volumeMounts"]}
    assert mounts["models"] == {"name": "models", "mountPath": destination, "readOnly": True}
    assert Path(config).parent == Path(mounts["config"]["mountPath"])
    assert "envFrom" not in vllm, "vLLM needs no credentials"


def test_rollout_may_change_its_deployment_and_nothing_else(objects):
    (rule,) = objects["Role", "palm-rollout"]["rules"]
    assert rule == {
        "apiGroups": ["apps"],
        "resources": ["deployments"],
        "resourceNames": ["vllm"],
        "verbs": ["get", "patch"],
    }
    job = objects["CronJob", "palm-rollout"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert "--deployment=vllm" in job["containers"][0]["command"]


def test_a_pod_that_has_to_go_has_the_time_that_vllm_takes(pod):
    vllm = pod["containers"][0]
    (drained,) = (int(word.split("=")[1]) for word in vllm["args"] if word.startswith("--shutdown-timeout="))
    assert vllm["lifecycle"]["preStop"]["sleep"]["seconds"] + drained < pod["terminationGracePeriodSeconds"]
    # vLLM takes a VLLM_PORT that Kubernetes sets for the Service for its own.
    assert pod["enableServiceLinks"] is False
