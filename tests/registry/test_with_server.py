"""The registry on MLflow as in production: a server, a password, artifacts in S3."""

import json
import os
import subprocess
import sys

import mlflow
import numpy as np
import pytest
from support.concurrent_register import check_one_of_each, register_at_once
from support.small_portfolio import promote, register_small, registered, write_small_portfolio

from palm.config.load import load_config
from palm.config.portfolio import BaseModelSource
from palm.config.training import Lora
from palm.errors import ModelError
from palm.models.load import load_model
from palm.promotion import promotions
from palm.registry.portfolio_registry import PortfolioRegistry
from palm.serving.portfolio import write_portfolio
from palm.serving.router import Router
from palm.storage.digest import folder_digests
from palm.training.adapters import new_policy, save_policy


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


def test_four_builders_at_once_make_one_through_the_server(server_workspace, mlflow_server):
    config = load_config(server_workspace / "portfolio.yaml")
    portfolio = write_small_portfolio(server_workspace / "portfolio")
    told = register_at_once(server_workspace / "portfolio.yaml", portfolio, "a", "b", "c", "d")
    client = mlflow.MlflowClient(mlflow_server.uri, mlflow_server.uri)
    assert len(told) == 4
    check_one_of_each(client, config.registry, told)


def test_a_flipped_byte_in_s3_is_told_with_file_and_digests(server_workspace, s3, s3_server):
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
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from palm.cli.main import main; main()",
            "history",
            str(server_workspace / "portfolio.yaml"),
        ],
        capture_output=True,
        text=True,
        env=environment,
    )
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
    adapter, folder = server_workspace / "adapter", server_workspace / "served"
    save_policy(new_policy(load_model(base_model).model, Lora(rank=2, alpha=2), seed=0), adapter)
    folder.mkdir()
    write_portfolio(
        folder,
        router=Router(tuple(config.reward_names), ("policy-a", "policy-b"), np.array([[0.9, 0.1], [0.1, 0.9]])),
        policies={"policy-a": adapter, "policy-b": adapter},
        base_model=base_model,
        base_source=BaseModelSource(source=str(base_model)),
        base_files=folder_digests(base_model),
        max_new_tokens=8,
    )
    register_small(config, folder, "build")
    promote(config, "1")
    arguments = ["generate", "--config", str(path), "--prompt", "say tea", "--weights", "0.2,0.8", "--json"]
    done = subprocess.run([sys.executable, "-c", SERVE, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["policy"] == "policy-b" and answer["response"]
