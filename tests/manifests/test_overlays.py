"""The overlays: they build, Kubernetes takes them, and they keep the rules."""

import functools
import json

import kubernetes_validate
import pytest
from support.built_manifests import MANIFESTS, built, find
from support.custom_resources import CustomResource
from support.manifest_policies import POLICIES
from support.overlays import OVERLAYS, build, found, overlay, pod, pods
from support.schemas import needs_schemas

from palm.cluster.kfp.cron import next_times
from palm.cluster.kfp.parameters import Resources
from palm.config.load import load_config
from palm.config.pods import NODE_LABELS, TASK_LABELS
from palm.pipelines.compile import compile_manifest
from palm.pipelines.settings import CompileSettings

VERSIONS = ("1.35", "1.36", "1.37")
DEFINITIONS = {
    "ExternalSecret": "external-secrets.io_externalsecrets.yaml",
    "PodMonitor": "monitoring.coreos.com_podmonitors.yaml",
    "PrometheusRule": "monitoring.coreos.com_prometheusrules.yaml",
    "Pipeline": "pipelines.kubeflow.org_pipelines.yaml",
    "PipelineVersion": "pipelines.kubeflow.org_pipelineversions.yaml",
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
    told = []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(one, version, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
            told.append(f"{version}: {error.message}")
    return told


@needs_schemas
@pytest.mark.parametrize("part", PARTS)
def test_kubernetes_takes_every_object(part):
    objects = build(part)
    assert objects
    problems = {}
    for one in objects:
        if told := refusals(json.dumps(one, sort_keys=True)):
            problems[f"{one['kind']} {one['metadata']['name']}"] = told
    assert not problems


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", OVERLAYS)
def test_every_overlay_keeps_every_rule(name, policy):
    assert list(POLICIES[policy](overlay(name))) == []


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_configuration_and_the_schedule_are_such_as_palm_takes(name, tmp_path):
    objects = overlay(name)
    (tmp_path / "portfolio.yaml").write_text(find(objects, "ConfigMap", "palm-config")["data"]["portfolio.yaml"])
    config = load_config(tmp_path / "portfolio.yaml")
    assert config.registry.tracking_uri == "http://mlflow:5000" and config.storage.root.startswith("s3://")
    given = find(objects, "ConfigMap", "palm-schedule")["data"]
    next_times(given["CRON"])
    resources = Resources.from_text(
        accelerator=given["ACCELERATOR"],
        accelerator_count=int(given["ACCELERATOR_COUNT"]),
        training_accelerator_count=int(given["TRAINING_ACCELERATOR_COUNT"]),
        cpu=given["CPU"],
        memory=given["MEMORY"],
        node_selector=given["NODE_SELECTOR"],
        tolerations=given["TOLERATIONS"],
        secret="palm-credentials",
    )
    resources.check_training(config)
    settings_of(given)


def settings_of(given: dict) -> CompileSettings:
    return CompileSettings(
        parallel=int(given["PARALLEL"]),
        retries=int(given["RETRIES"]),
        hours=int(given["HOURS"]),
        image=given["IMAGE"],
        gpu_image=given["GPU_IMAGE"],
        cache_claim=given["CACHE_CLAIM"] or None,
        ca_config_map=given["CA_CONFIG_MAP"] or None,
    )


@pytest.mark.parametrize("name", ["build_portfolio", "rebuild_on_change"])
def test_the_pipelines_that_are_applied_are_those_that_the_schedule_compiles(name, tmp_path):
    settings = settings_of(find(overlay("production"), "ConfigMap", "palm-schedule")["data"])
    compile_manifest(name, tmp_path / "compiled.yaml", settings)
    committed = MANIFESTS / "overlays" / "production" / "pipelines" / f"{name}.yaml"
    assert committed.read_text() == (tmp_path / "compiled.yaml").read_text(), "run: make compile"


def test_without_internet_nothing_comes_from_elsewhere():
    text = json.dumps(overlay("air-gapped"))
    for registry in ("registry.example.com", "docker.io", "localhost/palm", "ghcr.io", "quay.io"):
        assert registry not in text


def test_without_internet_everything_that_speaks_tls_trusts_the_sites_authority():
    objects = overlay("air-gapped")
    assert set(find(objects, "ConfigMap", "palm-ca")["data"]) == {"ca.crt"}
    assert find(objects, "ConfigMap", "palm-schedule")["data"]["CA_CONFIG_MAP"] == "palm-ca"
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
    given = find(objects, "ConfigMap", "palm-schedule")["data"]
    assert pod(objects, "vllm").spec["nodeSelector"] == json.loads(given["NODE_SELECTOR"])


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
