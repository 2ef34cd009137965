"""The registry on MLflow as in production: a server, a password, artifacts in S3."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from support.published import publish
from support.small_portfolio import promote, registered

from palm.config.load import load_config
from palm.errors import ModelError
from palm.promotion import promotions
from palm.registry.portfolio_registry import PortfolioRegistry


def test_a_build_goes_into_the_server_and_its_files_into_s3(server_workspace, mlflow_server):
    config = load_config(server_workspace / "portfolio.yaml")
    first = registered(config, server_workspace, "one")
    assert promote(config, "1").promoted
    (server_workspace / "report.html").write_text("<p>fine</p>")
    PortfolioRegistry(config).finish(first.run_id, [server_workspace / "report.html"])
    assert registered(config, server_workspace, "two").version == "2"
    assert promote(config, "2", against="1").previous_version == "1"
    assert promotions(config).rollback(why="worse", who="test").after == "1" == promotions(config).champion()
    assert [entry.after for entry in promotions(config).history().entries] == ["1", "2", "1"]
    client = mlflow.MlflowClient(mlflow_server.uri, mlflow_server.uri)
    assert client.get_run(first.run_id).info.status == "FINISHED"
    assert "report.html" in {entry.path for entry in client.list_artifacts(first.run_id)}


def test_a_flipped_byte_in_s3_is_an_error_with_file_and_digests(server_workspace, s3, s3_server):
    config = load_config(server_workspace / "portfolio.yaml")
    for number, text in enumerate(("one", "two"), 1):
        registered(config, server_workspace, text)
        against = None if number == 1 else "1"
        promote(config, str(number), against=against)
    for entry in s3.get_paginator("list_objects_v2").paginate(Bucket="mlflow").search("Contents[]"):
        content = s3.get_object(Bucket="mlflow", Key=entry["Key"])["Body"].read()
        if content == b"one of policy-a":
            s3.put_object(Bucket="mlflow", Key=entry["Key"], Body=b"onf of policy-a")
    with pytest.raises(ModelError, match=r"adapter_model.safetensors: sha256 is \w{64}, recorded is \w{64}"):
        promotions(config).rollback(why="worse", who="test")
    assert promotions(config).champion() == "2"


@pytest.mark.parametrize("secret", ["wrong-password-of-tests", None])
def test_a_wrong_password_is_one_line_without_it(server_workspace, secret):
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_PASSWORD"}
    if secret:
        environment["MLFLOW_TRACKING_PASSWORD"] = secret
    command = [Path(sys.executable).with_name("palm"), "history", server_workspace / "portfolio.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: registry.tracking_uri=http") and "401" in done.stderr
    assert "credentials" in done.stderr and "a-long-password" not in done.stderr and "wrong-pass" not in done.stderr


SERVE = """
import json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"trl", "datasets", "kfp", "kubernetes", "docker"}:
            raise ImportError(f"{name} is not installed")

sys.meta_path.insert(0, Absent())
from palm.cli.main import main
sys.argv = ["palm", *sys.argv[1:]]
main()
"""


def test_palm_generate_needs_nothing_that_only_training_or_a_cluster_needs(server_workspace, base_model):
    """A champion from MLflow and S3 answers where neither trl and datasets nor kfp and kubernetes are installed."""
    path = server_workspace / "portfolio.yaml"
    config = load_config(path)
    publish(config, server_workspace, base_model, source=str(base_model))
    promote(config, "1")
    arguments = ["generate", "--config", str(path), "--prompt", "say tea", "--weights", "0.2,0.8", "--json"]
    done = subprocess.run([sys.executable, "-c", SERVE, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["policy"] == "policy-b" and answer["response"]
