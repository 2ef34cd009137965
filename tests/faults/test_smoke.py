"""`palm smoke` against stand-ins that run what they are given: a real MLflow, a real S3 server, KFP's local runner."""

import re

import boto3
import pytest
from cluster.commands import palm
from cluster.executing_stand_in import ExecutingStandIn
from mlflow import MlflowClient
from schemas import SCHEMAS, needs_schemas

CHECKS = ["doctor", "build", "same again", "changed reward", "promotion", "rollback", "page", "clean-up"]


@pytest.fixture
def cluster(s3, mlflow_server, tmp_path, monkeypatch):
    """How `palm smoke` is called, and what is there afterwards."""
    for name in ("KUBECONFIG", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", mlflow_server.password)

    def run(code: int, **settings) -> tuple[dict[str, str], str]:
        document = SCHEMAS / "kfp-api-v2beta1.swagger.json"
        with ExecutingStandIn(document, tmp_path, **settings) as kfp:
            places = ("--storage-root", "s3://palm/smoke", "--tracking-uri", mlflow_server.uri)
            text = palm("smoke", "--host", kfp.url, *places, code=code).output
        assert not kfp.violations and not kfp.runs and not kfp.experiments
        objects = boto3.client("s3").list_objects_v2(Bucket="palm", Prefix="smoke/")
        assert objects["KeyCount"] == 0
        models = [model.name for model in MlflowClient(mlflow_server.uri).search_registered_models()]
        assert not [name for name in models if name.startswith("palm-smoke")]
        return dict(re.findall(r"^([a-z -]+): (ok|failed|not run) after", text, re.MULTILINE)), text

    return run


@needs_schemas
def test_a_cluster_that_works_passes_and_nothing_is_left(cluster):
    found, text = cluster(0)
    assert found == dict.fromkeys(CHECKS, "ok"), text
    for told in ("3 policies trained", "3 policies reused, nothing trained", "reward length", "is champion again"):
        assert told in text


@needs_schemas
def test_what_does_not_work_is_named_and_nothing_is_left(cluster):
    found, text = cluster(1, breaks=0)
    assert found["build"] == "failed" and found["same again"] == found["page"] == "not run"
    assert found["doctor"] == found["clean-up"] == "ok"
    assert re.search(r"run [0-9a-f-]+: failed", text)
