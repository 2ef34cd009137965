"""`palm smoke` against stand-ins that run what they are given: a real MLflow, a real S3 server, KFP's local runner."""

import re

import boto3
import pytest
from mlflow import MlflowClient
from support.built_manifests import find
from support.cluster_commands import palm
from support.executing_stand_in import ExecutingStandIn
from support.overlays import overlay
from support.schemas import SCHEMAS, needs_schemas

CHECKS = ["doctor", "build", "same again", "changed reward", "promotion", "rollback", "page", "clean-up"]


def rights() -> set[tuple[str, str]]:
    """Resources and verbs in Kubeflow Pipelines that the Job of `overlays/dev` has."""
    role = find(overlay("dev"), "Role", "palm-smoke")
    return {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}


def right_for(request: str) -> tuple[str, str]:
    """What Kubeflow Pipelines asks Kubernetes for, where it serves several users; versions count as pipelines."""
    method, path = request.split()
    resource, *names = path.removeprefix("/apis/v2beta1/").split("/")
    reads = "get" if names and names[-1] != "versions" else "list"
    return resource, {"GET": reads, "POST": "create", "DELETE": "delete"}[method]


@pytest.fixture
def cluster(s3, mlflow_server, tmp_path, monkeypatch):
    """How `palm smoke` is called, and what is there afterwards."""
    for name in ("KUBECONFIG", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", mlflow_server.password)

    def run(code: int, **pods: str) -> tuple[dict[str, str], str]:
        document = SCHEMAS / "kfp-api-v2beta1.swagger.json"
        with ExecutingStandIn(document, tmp_path, environment=pods) as kfp:
            places = ("--storage-root", "s3://palm/smoke", "--tracking-uri", mlflow_server.uri)
            text = palm("smoke", "--host", kfp.url, *places, code=code).output
        assert not kfp.violations and not kfp.runs and not kfp.experiments
        assert {right_for(request) for request in kfp.requests if "healthz" not in request} <= rights()
        objects = boto3.client("s3").list_objects_v2(Bucket="palm", Prefix="smoke/")
        assert objects["KeyCount"] == 0
        models = [model.name for model in MlflowClient(mlflow_server.uri).search_registered_models()]
        assert not [name for name in models if name.startswith("palm-smoke")]
        return checks_in(text), text

    return run


def checks_in(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z -]+): (ok|failed|not run) after", text, re.MULTILINE))


@needs_schemas
def test_a_cluster_that_works_passes_and_nothing_is_left(cluster):
    found, text = cluster(0)
    assert found == dict.fromkeys(CHECKS, "ok"), text
    for line in ("3 policies trained", "3 policies reused, nothing trained", "reward length", "is champion again"):
        assert line in text


@needs_schemas
def test_what_does_not_work_is_named_and_nothing_is_left(cluster):
    found, text = cluster(1, MLFLOW_TRACKING_PASSWORD="not that of the server")
    assert found == {**dict.fromkeys(CHECKS, "not run"), "doctor": "ok", "build": "failed", "clean-up": "ok"}, text
    assert re.search(r"run [0-9a-f-]+: .* failed at detect_change", text) and "credentials" in text


def test_where_the_doctor_finds_no_cluster_nothing_is_made_or_removed(s3, tmp_path):
    nowhere = "http://127.0.0.1:1"
    text = palm(
        "smoke", "--host", nowhere, "--storage-root", "s3://palm/smoke", "--tracking-uri", nowhere, code=1
    ).output
    assert checks_in(text) == {**dict.fromkeys(CHECKS, "not run"), "doctor": "failed"}, text
