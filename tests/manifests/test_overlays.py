"""The overlays build, Kubernetes accepts them, and they keep the rules."""

import functools
import json

import kubernetes_validate
import pytest
from support.built_manifests import built, find
from support.custom_resources import CustomResource
from support.manifest_policies import POLICIES
from support.overlays import OVERLAYS, build, configuration, found, overlay, pod, pods
from support.schemas import needs_schemas

from palm.cluster.kfp.submission import check_gpus
from palm.config.pods import NODE_LABELS, TASK_LABELS

VERSIONS = ("1.35", "1.36", "1.37")
DEFINITIONS = {
    "ExternalSecret": "external-secrets.io_externalsecrets.yaml",
    "PodMonitor": "monitoring.coreos.com_podmonitors.yaml",
    "PrometheusRule": "monitoring.coreos.com_prometheusrules.yaml",
}
PARTS = [*(f"overlays/{name}" for name in OVERLAYS), "secrets"]


@functools.cache
def definition(kind: str) -> CustomResource:
    return CustomResource(DEFINITIONS[kind])


@functools.cache
def refusals(text: str) -> list[str]:
    """Why an object is refused; most are the same in several overlays."""
    one = json.loads(text)
    if one["kind"] in DEFINITIONS:
        resource = definition(one["kind"])
        assert one["apiVersion"] == f"{resource.group}/{resource.version}"
        return resource.problems(one)
    refused = []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(one, version, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
            refused.append(f"{version}: {error.message}")
    return refused


@needs_schemas
@pytest.mark.parametrize("part", PARTS)
def test_kubernetes_takes_every_object(part):
    objects = build(part)
    assert objects
    problems = {}
    for one in objects:
        if refused := refusals(json.dumps(one, sort_keys=True)):
            problems[f"{one['kind']} {one['metadata']['name']}"] = refused
    assert not problems


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", OVERLAYS)
def test_every_overlay_keeps_every_rule(name, policy):
    assert list(POLICIES[policy](overlay(name))) == []


@pytest.mark.parametrize("name", OVERLAYS)
def test_palm_loads_the_configuration(name):
    config = configuration(overlay(name))
    assert config.registry.tracking_uri == "http://mlflow:5000" and config.storage.root.startswith("s3://")
    assert (config.cluster.cache_claim, config.cluster.service_account) == ("palm-model-cache", "palm-run")
    check_gpus(config)


def test_components_change_single_settings():
    production, mig, spot = (configuration(overlay(name)).cluster for name in ("production", "mig", "spot"))
    assert (production.parallel, production.tasks.cpu, production.tasks.retries) == (8, "8", 3)
    assert (mig.parallel, mig.training.accelerator, mig.training.cpu) == (7, "nvidia.com/mig-1g.10gb", "4")
    assert (spot.training.retries, spot.parallel, len(spot.training.tolerations)) == (8, 8, 4)


def test_without_internet_nothing_comes_from_elsewhere():
    text = json.dumps(overlay("air-gapped"))
    for registry in ("registry.example.com", "docker.io", "localhost/palm", "ghcr.io", "quay.io"):
        assert registry not in text


def test_without_internet_everything_that_speaks_tls_trusts_the_sites_authority():
    objects = overlay("air-gapped")
    assert set(find(objects, "ConfigMap", "palm-ca")["data"]) == {"ca.crt"}
    assert configuration(objects).cluster.ca_config_map == "palm-ca"
    speaking = [(one.name, c) for one in pods(objects) for c in one.containers if "/postgres:" not in c["image"]]
    assert len(speaking) >= 7
    for name, container in speaking:
        # These only speak to the database.
        if name in ("CronJob/mlflow-upgrade", "CronJob/mlflow-users"):
            continue
        given = {entry["name"]: entry.get("value") for entry in container.get("env", [])}
        for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"):
            assert given.get(variable) == "/etc/palm-ca/ca.crt", f"{name} {container['name']}"
        assert "/etc/palm-ca" in {mount["mountPath"] for mount in container["volumeMounts"]}, name


def test_the_champion_is_served_on_gpus_of_the_type_that_trains():
    objects = overlay("serving")
    assert pod(objects, "vllm").spec["nodeSelector"] == configuration(objects).cluster.training.node_selector


def test_tasks_make_pods_only_where_train_jobs_train():
    def makers(objects):
        rules = [(one["metadata"]["name"], rule) for one in found(objects, "Role") for rule in one["rules"]]
        return {
            name for name, rule in rules if "create" in rule["verbs"] and {"trainjobs", "pods"} & {*rule["resources"]}
        }

    assert not any(makers(overlay(name)) for name in OVERLAYS)
    objects = built("base", "components/train-jobs")
    assert makers(objects) == {"palm-train-jobs"}
    assert not list(POLICIES["rights"](objects)) and not any(refusals(json.dumps(one)) for one in objects)


@needs_schemas
def test_what_reads_from_a_model_hub_is_let_out_where_the_component_is():
    policy = find(built("base", "components/model-hub"), "NetworkPolicy", "reach-model-hub")
    assert not refusals(json.dumps(policy))
    selected = {entry["key"]: entry["values"] for entry in policy["spec"]["podSelector"]["matchExpressions"]}
    readers = [TASK_LABELS, NODE_LABELS, pod(overlay("serving"), "vllm").labels]
    assert all(labels[key] in values for labels in readers for key, values in selected.items())
    assert "mlflow" not in selected["app.kubernetes.io/name"]


def test_what_people_fill_in_has_no_values():
    for secret in found(build("secrets"), "Secret"):
        for key, value in secret["stringData"].items():
            assert "REPLACE" in value or value in KNOWN, f"{secret['metadata']['name']} {key}"


KNOWN = {"postgres", "mlflow", "Other"}
"""Names that the manifests themselves give."""
