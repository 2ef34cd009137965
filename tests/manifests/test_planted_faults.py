"""Every rule finds a fault that is planted in a good overlay, and no other rule does."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from manifests.test_overlays import refusals
from support.built_manifests import find
from support.manifest_policies import POLICIES
from support.overlays import found, overlay, pod
from support.schemas import needs_schemas


@dataclass(frozen=True)
class Fault:
    """What somebody might do by mistake.

    Attributes:
        what: in words.
        rule: name of the rule that finds it.
        told: part of what it says.
        plant: puts it into the objects.
    """

    what: str
    rule: str
    told: str
    plant: Callable[[list[dict]], object]


def container(objects: list[dict], name: str) -> dict:
    return pod(objects, name).containers[0]


def policy(objects: list[dict], name: str) -> dict:
    return find(objects, "NetworkPolicy", name)["spec"]


def labels(objects: list[dict], name: str) -> dict:
    return pod(objects, name).labels


FAULTS = [
    Fault(
        "a container that may run as root",
        "pod_security",
        "Deployment/mlflow: may run as root",
        lambda o: pod(o, "mlflow").spec["securityContext"].update(runAsNonRoot=False),
    ),
    Fault(
        "a container that keeps its capabilities",
        "pod_security",
        "CronJob/palm-gc palm: capabilities",
        lambda o: container(o, "palm-gc")["securityContext"].pop("capabilities"),
    ),
    Fault(
        "a folder of the node",
        "pod_security",
        "volume tmp is of a kind that is not allowed",
        lambda o: pod(o, "palm-gc").spec["volumes"].__setitem__(-1, {"name": "tmp", "hostPath": {"path": "/tmp"}}),
    ),
    Fault(
        "a namespace that enforces nothing",
        "pod_security",
        "Namespace palm: does not enforce",
        lambda o: found(o, "Namespace")[0]["metadata"]["labels"].pop("pod-security.kubernetes.io/enforce"),
    ),
    Fault(
        "an image of whatever version",
        "images",
        "vllm/vllm-openai:latest is no exact version",
        lambda o: pod(o, "vllm").containers[1].update(image="docker.io/vllm/vllm-openai:latest"),
    ),
    Fault(
        "no limit of memory",
        "resources",
        "StatefulSet/postgres postgres: no request or no limit of memory",
        lambda o: container(o, "postgres")["resources"]["limits"].pop("memory"),
    ),
    Fault(
        "a largest number of GPUs, which is the default then",
        "resources",
        "LimitRange palm: every container gets 8 nvidia.com/gpu",
        lambda o: find(o, "LimitRange", "palm")["spec"]["limits"][0]["max"].update({"nvidia.com/gpu": "8"}),
    ),
    Fault(
        "all verbs",
        "rights",
        "Role palm-run: wildcard",
        lambda o: find(o, "Role", "palm-run")["rules"][-1].update(verbs=["*"]),
    ),
    Fault(
        "all Secrets",
        "rights",
        "Role palm-doctor: all Secrets",
        lambda o: find(o, "Role", "palm-doctor")["rules"][0].pop("resourceNames"),
    ),
    Fault(
        "a token that nothing needs",
        "rights",
        "Deployment/palm-exporter: a token without rights",
        lambda o: pod(o, "palm-exporter").spec.update(automountServiceAccountToken=True),
    ),
    Fault(
        "a key that no Secret has",
        "secrets",
        "Secret mlflow-server has no key PGPASSWD",
        lambda o: container(o, "postgres")["env"][-1]["valueFrom"]["secretKeyRef"].update(key="PGPASSWD"),
    ),
    Fault(
        "a Secret that nobody makes",
        "secrets",
        "there is no Secret palm-backup here",
        lambda o: o.remove(find(o, "ExternalSecret", "palm-backup")),
    ),
    Fault(
        "a ConfigMap that nobody makes",
        "config_maps",
        "there is no ConfigMap palm-portfolio",
        lambda o: pod(o, "palm-gc").spec["volumes"][0]["configMap"].update(name="palm-portfolio"),
    ),
    Fault(
        "an argument that nobody sets",
        "config_maps",
        "nobody sets ['CRONTAB']",
        lambda o: container(o, "palm-schedule")["args"].append("--cron=$(CRONTAB)"),
    ),
    Fault(
        "MLflow under another name than the portfolio's",
        "addresses",
        "http://mlflow:5000 is no Service",
        lambda o: find(o, "Service", "mlflow")["metadata"].update(name="tracking"),
    ),
    Fault(
        "a Service whose port nobody listens on",
        "addresses",
        "Service vllm: no pod listens on 8080",
        lambda o: find(o, "Service", "vllm")["spec"]["ports"][0].update(targetPort=8080),
    ),
    Fault(
        "a task that cannot reach MLflow",
        "flow_problems",
        "task cannot reach mlflow:5000",
        lambda o: policy(o, "mlflow")["ingress"][0]["from"].__setitem__(
            0, {"podSelector": {"matchLabels": {"a": "b"}}}
        ),
    ),
    Fault(
        "a pod that lost its label",
        "flow_problems",
        "palm-gc cannot reach s3:443",
        lambda o: labels(o, "palm-gc").pop("palm/reaches-s3"),
    ),
    Fault(
        "a backup that cannot leave",
        "flow_problems",
        "palm-backup cannot reach backup store:443",
        lambda o: labels(o, "palm-backup").pop("palm/reaches-backup"),
    ),
    Fault(
        "a label too many",
        "flow_problems",
        "palm-gc can reach postgres:5432 and need not",
        lambda o: labels(o, "palm-gc").update({"palm/reaches-postgres": "true"}),
    ),
    Fault(
        "the database open to all",
        "flow_problems",
        "stranger can reach postgres:5432 and need not",
        lambda o: policy(o, "postgres")["ingress"][0].pop("from"),
    ),
    Fault(
        "the internet open to what reads S3",
        "flow_problems",
        "task can reach internet:443 and need not",
        lambda o: policy(o, "reach-s3")["egress"][0]["to"].append({"ipBlock": {"cidr": "0.0.0.0/0"}}),
    ),
    Fault(
        "no default",
        "flow_problems",
        "stranger can reach palm-gc:9999 and need not",
        lambda o: o.remove(find(o, "NetworkPolicy", "default-deny")),
    ),
    Fault(
        "no DNS",
        "flow_problems",
        "palm-schedule cannot reach dns:53",
        lambda o: policy(o, "reach-dns")["egress"][0]["ports"].clear(),
    ),
    Fault(
        "a server that nobody looks at",
        "servers",
        "Deployment/mlflow: no ['readinessProbe']",
        lambda o: container(o, "mlflow").pop("readinessProbe"),
    ),
    Fault(
        "a server that waits for trainings",
        "servers",
        "StatefulSet/postgres: is placed like a task that trains",
        lambda o: pod(o, "postgres").spec.pop("priorityClassName"),
    ),
    Fault(
        "an object in another namespace",
        "places",
        "more than one namespace",
        lambda o: find(o, "Role", "palm-run")["metadata"].update(namespace="default"),
    ),
    Fault(
        "a namespace that Kubeflow does not know as a profile's",
        "places",
        "Namespace palm: takes the mark of a profile away",
        lambda o: found(o, "Namespace")[0]["metadata"]["labels"].update({"app.kubernetes.io/part-of": "palm"}),
    ),
    Fault(
        "a pod that gets a sidecar in a profile's namespace",
        "places",
        "Job/palm-schedule: its pods may get a sidecar",
        lambda o: labels(o, "palm-schedule").pop("sidecar.istio.io/inject"),
    ),
    Fault(
        "more GPUs than the quota",
        "gpus",
        "ResourceQuota: 10 nvidia.com/gpu, 24 are needed",
        lambda o: pod(o, "vllm").owner["spec"].update(replicas=16),
    ),
    Fault(
        "a quota without room for what serves",
        "gpus",
        "ResourceQuota: 8 nvidia.com/gpu, 10 are needed",
        lambda o: find(o, "ResourceQuota", "palm-gpus")["spec"]["hard"].update({"requests.nvidia.com/gpu": "8"}),
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_a_planted_fault_is_found(fault):
    objects = overlay("serving")
    fault.plant(objects)
    told = {name: list(rule(objects)) for name, rule in POLICIES.items()}
    assert any(fault.told in line for line in told[fault.rule]), told
    others = {name: lines for name, lines in told.items() if lines and name != fault.rule}
    # What is not marked, or is not there, is missed by those that look for it as well.
    assert set(others) <= {"flow_problems"}, others


@needs_schemas
@pytest.mark.parametrize(
    ("kind", "name", "spoil", "told"),
    [
        ("Deployment", "mlflow", lambda one: one["spec"].update(replica=2), "replica"),
        ("CronJob", "palm-gc", lambda one: one["spec"].pop("schedule"), "schedule"),
        ("NetworkPolicy", "reach-dns", lambda one: one["spec"].update(podSelector=[]), "object"),
        ("PrometheusRule", "palm", lambda one: one["spec"]["groups"][0]["rules"][0].pop("expr"), "expr"),
        ("ExternalSecret", "palm-backup", lambda one: one["spec"]["target"].update(creation="Owner"), "creation"),
        ("PodMonitor", "palm-exporter", lambda one: one["spec"].pop("selector"), "selector"),
    ],
)
def test_what_kubernetes_would_refuse_is_found(kind, name, spoil, told):
    one = find(overlay("serving"), kind, name)
    spoil(one)
    assert any(told in line for line in refusals(json.dumps(one)))
