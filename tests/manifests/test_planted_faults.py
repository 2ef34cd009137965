"""Every rule finds a fault that is planted in a good overlay, and no other rule does."""

import json

import pytest
from manifests.test_overlays import refusals
from support.built_manifests import find
from support.manifest_policies import POLICIES
from support.overlays import found, overlay, pod
from support.schemas import needs_schemas


def container(objects: list[dict], name: str) -> dict:
    return pod(objects, name).containers[0]


def network_policy(objects: list[dict], name: str) -> dict:
    return find(objects, "NetworkPolicy", name)["spec"]


def labels(objects: list[dict], name: str) -> dict:
    return pod(objects, name).labels


FAULTS = {
    "pod_security": [
        (
            "Deployment/mlflow: may run as root",
            lambda o: pod(o, "mlflow").spec["securityContext"].update(runAsNonRoot=False),
        ),
        (
            "CronJob/palm-gc palm: capabilities",
            lambda o: container(o, "palm-gc")["securityContext"].pop("capabilities"),
        ),
        (
            "volume tmp is of a kind that is not allowed",
            lambda o: pod(o, "palm-gc").spec["volumes"].__setitem__(-1, {"name": "tmp", "hostPath": {"path": "/tmp"}}),
        ),
        (
            "Namespace palm: does not enforce",
            lambda o: found(o, "Namespace")[0]["metadata"]["labels"].pop("pod-security.kubernetes.io/enforce"),
        ),
    ],
    "images": [
        (
            "vllm/vllm-openai:latest is no exact version",
            lambda o: pod(o, "vllm").containers[1].update(image="docker.io/vllm/vllm-openai:latest"),
        ),
    ],
    "resources": [
        (
            "StatefulSet/postgres postgres: no request or no limit of memory",
            lambda o: container(o, "postgres")["resources"]["limits"].pop("memory"),
        ),
        (
            "LimitRange palm: every container gets 8 nvidia.com/gpu",
            lambda o: find(o, "LimitRange", "palm")["spec"]["limits"][0]["max"].update({"nvidia.com/gpu": "8"}),
        ),
    ],
    "rights": [
        ("Role palm-run: wildcard", lambda o: find(o, "Role", "palm-run")["rules"][-1].update(verbs=["*"])),
        ("Role palm-doctor: all Secrets", lambda o: find(o, "Role", "palm-doctor")["rules"][0].pop("resourceNames")),
        (
            "Deployment/palm-exporter: a token without rights",
            lambda o: pod(o, "palm-exporter").spec.update(automountServiceAccountToken=True),
        ),
    ],
    "secrets": [
        (
            "Secret mlflow-server has no key PGPASSWD",
            lambda o: container(o, "postgres")["env"][-1]["valueFrom"]["secretKeyRef"].update(key="PGPASSWD"),
        ),
        ("there is no Secret palm-backup here", lambda o: o.remove(find(o, "ExternalSecret", "palm-backup"))),
    ],
    "config_maps": [
        (
            "there is no ConfigMap palm-portfolio",
            lambda o: pod(o, "palm-gc").spec["volumes"][0]["configMap"].update(name="palm-portfolio"),
        ),
        ("nobody sets ['CRONTAB']", lambda o: container(o, "palm-schedule")["args"].append("--cron=$(CRONTAB)")),
    ],
    "addresses": [
        (
            "http://mlflow:5000 is no Service",
            lambda o: find(o, "Service", "mlflow")["metadata"].update(name="tracking"),
        ),
        (
            "Service vllm: no pod listens on 8080",
            lambda o: find(o, "Service", "vllm")["spec"]["ports"][0].update(targetPort=8080),
        ),
    ],
    "flow_problems": [
        (
            "task cannot reach mlflow:5000",
            lambda o: network_policy(o, "mlflow")["ingress"][0]["from"].__setitem__(
                0, {"podSelector": {"matchLabels": {"a": "b"}}}
            ),
        ),
        ("palm-gc cannot reach s3:443", lambda o: labels(o, "palm-gc").pop("palm/reaches-s3")),
        ("palm-backup cannot reach backup store:443", lambda o: labels(o, "palm-backup").pop("palm/reaches-backup")),
        (
            "palm-gc can reach postgres:5432 and need not",
            lambda o: labels(o, "palm-gc").update({"palm/reaches-postgres": "true"}),
        ),
        (
            "stranger can reach postgres:5432 and need not",
            lambda o: network_policy(o, "postgres")["ingress"][0].pop("from"),
        ),
        (
            "task can reach internet:443 and need not",
            lambda o: network_policy(o, "reach-s3")["egress"][0]["to"].append({"ipBlock": {"cidr": "0.0.0.0/0"}}),
        ),
        ("stranger can reach palm-gc:9999 and need not", lambda o: o.remove(find(o, "NetworkPolicy", "default-deny"))),
        ("palm-schedule cannot reach dns:53", lambda o: network_policy(o, "reach-dns")["egress"][0]["ports"].clear()),
    ],
    "servers": [
        ("Deployment/mlflow: no ['readinessProbe']", lambda o: container(o, "mlflow").pop("readinessProbe")),
        (
            "StatefulSet/postgres: is placed like a task that trains",
            lambda o: pod(o, "postgres").spec.pop("priorityClassName"),
        ),
    ],
    "places": [
        ("more than one namespace", lambda o: find(o, "Role", "palm-run")["metadata"].update(namespace="default")),
        (
            "Namespace palm: takes the mark of a profile away",
            lambda o: found(o, "Namespace")[0]["metadata"]["labels"].update({"app.kubernetes.io/part-of": "palm"}),
        ),
        (
            "Job/palm-schedule: its pods may get a sidecar",
            lambda o: labels(o, "palm-schedule").pop("sidecar.istio.io/inject"),
        ),
    ],
    "gpus": [
        ("ResourceQuota: 10 nvidia.com/gpu, 24 are needed", lambda o: pod(o, "vllm").owner["spec"].update(replicas=16)),
        (
            "ResourceQuota: 8 nvidia.com/gpu, 10 are needed",
            lambda o: find(o, "ResourceQuota", "palm-gpus")["spec"]["hard"].update({"requests.nvidia.com/gpu": "8"}),
        ),
    ],
}
"""What somebody might do by mistake: rule that finds it, part of its message, change of the objects."""


@pytest.mark.parametrize(
    ("rule", "message", "plant"), [(rule, *fault) for rule, faults in FAULTS.items() for fault in faults]
)
def test_a_planted_fault_is_found(rule, message, plant):
    objects = overlay("serving")
    plant(objects)
    found_by = {name: list(policy(objects)) for name, policy in POLICIES.items()}
    assert any(message in line for line in found_by[rule]), found_by
    others = {name: lines for name, lines in found_by.items() if lines and name != rule}
    # Connections depend on labels and objects that other faults remove.
    assert set(others) <= {"flow_problems"}, others


@needs_schemas
@pytest.mark.parametrize(
    ("kind", "name", "spoil", "message"),
    [
        ("Deployment", "mlflow", lambda one: one["spec"].update(replica=2), "replica"),
        ("CronJob", "palm-gc", lambda one: one["spec"].pop("schedule"), "schedule"),
        ("NetworkPolicy", "reach-dns", lambda one: one["spec"].update(podSelector=[]), "object"),
        ("PrometheusRule", "palm", lambda one: one["spec"]["groups"][0]["rules"][0].pop("expr"), "expr"),
        ("ExternalSecret", "palm-backup", lambda one: one["spec"]["target"].update(creation="Owner"), "creation"),
        ("PodMonitor", "palm-exporter", lambda one: one["spec"].pop("selector"), "selector"),
    ],
)
def test_what_kubernetes_would_refuse_is_found(kind, name, spoil, message):
    one = find(overlay("serving"), kind, name)
    spoil(one)
    assert any(message in line for line in refusals(json.dumps(one)))
