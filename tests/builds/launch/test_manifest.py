"""The manifest of a TrainJob against the custom resource definition of Kubeflow Trainer."""

import copy
import re

import pytest
from support.custom_resources import CustomResource
from support.schemas import needs_schemas
from support.train_job_stand_in import NODES

from palm.builds.launch.manifest import train_job_manifest
from palm.config.pods import NODE_LABELS
from palm.config.train_job import TrainJobSettings

pytestmark = needs_schemas


@pytest.fixture(scope="module")
def kind() -> CustomResource:
    return CustomResource("trainer.kubeflow.org_trainjobs.yaml")


def manifest(**changes) -> dict:
    settings = TrainJobSettings.model_validate({**NODES, "accelerator": "nvidia.com/gpu", **changes})
    command = ["python3", "-m", "palm.builds.launch.node", "s3://palm/store", "checkpoints/policy-0123456789ab"]
    pods = {"namespace": "team", "image": "i", "command": command, "processes": 8}
    return train_job_manifest(settings, "policy-0123456789ab", **pods)


EVERYTHING = {
    "service_account": "trainer",
    "environment": {"NCCL_SOCKET_IFNAME": "eth0", "SSL_CERT_FILE": "/of/the/image.pem"},
    "ca_config_map": "authorities-of-the-site",
    "labels": {"kueue.x-k8s.io/queue-name": "gpus"},
    "node_selector": {"pool": "h100"},
    "tolerations": [
        {"key": "nvidia.com/gpu", "effect": "NoSchedule"},
        {"key": "team", "operator": "Equal", "value": "a"},
    ],
}


def test_the_definition_allows_the_manifest(kind):
    made = manifest(**EVERYTHING)
    assert kind.problems(manifest()) == kind.problems(made) == []
    trainer = made["spec"]["trainer"]
    assert trainer["resourcesPerNode"]["limits"] == {"cpu": "1", "memory": "2Gi", "nvidia.com/gpu": "8"}
    (job,) = made["spec"]["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    assert job["template"]["spec"]["template"]["metadata"] == {"labels": NODE_LABELS}
    pod = job["template"]["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "trainer" and pod["nodeSelector"] == {"pool": "h100"}
    assert pod["volumes"][0]["emptyDir"] == {"medium": "Memory"}
    assert pod["volumes"][1]["configMap"] == {"name": "authorities-of-the-site"}
    assert pod["containers"][0]["volumeMounts"] == [
        {"name": "shared-memory", "mountPath": "/dev/shm"},
        {"name": "authorities", "mountPath": "/etc/palm-ca"},
    ]
    assert {"name": "AWS_CA_BUNDLE", "value": "/etc/palm-ca/ca.crt"} in trainer["env"]
    assert {"name": "SSL_CERT_FILE", "value": "/of/the/image.pem"} in trainer["env"]
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"


def test_the_name_follows_the_specification():
    assert manifest()["metadata"]["name"] == manifest()["metadata"]["name"]
    assert manifest()["metadata"]["name"] != manifest(memory="4Gi")["metadata"]["name"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: m["spec"]["trainer"].update(numProcPerNode="auto"), "numProcPerNode: 'auto' is not of type"),
        (lambda m: m["spec"]["trainer"].update(numProcPerNode=0), "must be greater than or equal to 1"),
        (lambda m: m["spec"].update(podTemplateOverrides=[]), "'podTemplateOverrides' was unexpected"),
        (lambda m: m["spec"].pop("runtimeRef"), "'runtimeRef' is a required property"),
        (lambda m: m["metadata"].update(name="Policy_1"), "must match RFC 1035"),
        (lambda m: m["metadata"].update(name="p" * 64), "no more than 63 characters"),
        (lambda m: m["spec"].update(activeDeadlineSeconds=0), "less than the minimum of 1"),
        (lambda m: m["spec"]["runtimePatches"][0].pop("manager"), "'manager' is a required property"),
        (lambda m: m["spec"]["trainer"]["env"].append({"name": "HF_TOKEN"}), "duplicate .*HF_TOKEN"),
        (lambda m: m["spec"]["trainer"]["resourcesPerNode"]["limits"].update(cpu="much"), "'much' does not match"),
    ],
)
def test_a_mistake_in_the_manifest_is_found(kind, spoil, words):
    spoilt = copy.deepcopy(manifest(**EVERYTHING))
    spoil(spoilt)
    problem, *_ = kind.problems(spoilt)
    assert re.search(words, problem)
