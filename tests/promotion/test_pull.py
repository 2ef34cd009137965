"""Portfolios come to the machine that serves them out of MLflow with a password and S3, whole or not at all."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest
import yaml
from peft import PeftModel
from support.cluster_commands import palm
from support.published import POLICIES, publish, upload_base
from support.small_portfolio import promote

from palm.config.load import load_config
from palm.models.generate import generate
from palm.models.load import LoadedModel, load_model
from palm.promotion import promotions
from palm.serving.portfolio import ServedPortfolio

WITHOUT_TORCH = """
import sys
from palm.cli.main import app
try:
    app(sys.argv[1:])
finally:
    assert not {"torch", "transformers"} & sys.modules.keys(), "seconds and a gigabyte for nothing"
"""


@pytest.fixture
def champion(server_workspace, base_model, s3):
    """Version 1 of a portfolio, champion; its configuration and its folder."""
    upload_base(s3, base_model)
    config = load_config(server_workspace / "portfolio.yaml")
    portfolio = publish(config, server_workspace, base_model, seed=0)
    promote(config, "1")
    return server_workspace / "portfolio.yaml", portfolio


def pull(path, destination, *options, code: int = 0) -> str:
    return palm("pull", path, destination, "--dtype", "float32", *options, code=code).output


def visible(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".pull.lock")


def test_what_vllm_is_given_answers_as_the_portfolio_does(champion, tmp_path):
    path, portfolio = champion
    shown = pull(path, tmp_path / "models")
    assert f"vllm serve --config {tmp_path}/models/portfolio/vllm.yaml" in shown
    settings = yaml.safe_load((tmp_path / "models/portfolio/vllm.yaml").read_text())
    served = ServedPortfolio(portfolio)
    modules = dict(entry.split("=") for entry in settings["lora-modules"])
    assert tuple(modules) == POLICIES
    for weights in ([0.9, 0.1], [0.1, 0.9]):
        expected = served.answer("say tea", weights, seed=5)
        base = load_model(Path(settings["model"]), settings["dtype"])
        policy = LoadedModel(
            PeftModel.from_pretrained(base.model, modules[expected.policy]).eval(), base.tokenizer, base.end_ids
        )
        found = generate(policy, ["say tea"], max_new_tokens=8, batch_size=1, seed=5)[0]
        assert found.text == expected.response
    routing = json.loads((tmp_path / "models/portfolio/routing.json").read_text())
    assert routing == json.loads((portfolio / "routing.json").read_text())


def test_what_is_there_is_verified_and_what_is_damaged_replaced(champion, tmp_path):
    path, _ = champion
    place = tmp_path / "models" / "portfolio"
    pull(path, place.parent)
    before = place.stat().st_ino
    assert "is there, every sha256 as recorded" in pull(path, place.parent)
    assert place.stat().st_ino == before
    for name in (
        "adapters/policy-a/adapter_model.safetensors",
        "base_model/config.json",
        "base_model/adapter_config.json",
        "routing.json",
        "vllm.yaml",
        # vLLM reads such copies in place of the adapters, of base models whose layers it names otherwise.
        "vllm/policy-a/adapter_model.bin",
    ):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"{}")
        assert "downloading" in pull(path, place.parent)
        assert "is there" in pull(path, place.parent)
    assert visible(place.parent) == ["portfolio"]


@pytest.mark.parametrize("damaged", ["adapter", "base model"])
def test_a_flipped_byte_is_refused_and_leaves_nothing(champion, damaged, s3, tmp_path):
    path, portfolio = champion
    name = "adapter_model.safetensors" if damaged == "adapter" else "config.json"
    if damaged == "adapter":
        content = (portfolio / "adapters/policy-b" / name).read_bytes()
        bucket, keys = "mlflow", [entry["Key"] for entry in _objects(s3, "mlflow") if entry["Key"].endswith(name)]
        keys = [key for key in keys if s3.get_object(Bucket=bucket, Key=key)["Body"].read() == content]
    else:
        bucket, keys = "palm", [f"models/base/{name}"]
        content = s3.get_object(Bucket=bucket, Key=keys[0])["Body"].read()
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=content[:-1] + bytes([content[-1] ^ 1]))
    shown = pull(path, tmp_path / "models", code=1)
    assert name in shown and "sha256 is " in shown and "recorded is " in shown and shown.count("error: ") == 1
    assert visible(tmp_path / "models") == []


def _objects(s3, bucket):
    return s3.get_paginator("list_objects_v2").paginate(Bucket=bucket).search("Contents[]")


def test_a_killed_call_leaves_nothing_half_and_the_next_one_fills(champion, tmp_path):
    path, _ = champion
    models = tmp_path / "models"
    command = [sys.executable, "-c", WITHOUT_TORCH, "pull", str(path), str(models), "--dtype", "bfloat16"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not list(models.glob(".portfolio.*")):
        assert process.poll() is None
        time.sleep(0.001)
    busy = pull(path, models, code=1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert "is being filled by another `palm pull`" in busy
    assert len(visible(models)) == 1 and not (models / "portfolio").exists()
    # As in an init container that is started again.
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PALM_VERSION": ""})
    assert done.returncode == 0, done.stderr
    assert visible(models) == ["portfolio"]


def test_a_user_who_may_only_read_can_pull_although_the_alias_is_wrong(champion, mlflow_server, tmp_path, monkeypatch):
    path, _ = champion
    model = load_config(path).registry.model
    client = mlflow.MlflowClient(mlflow_server.uri, mlflow_server.uri)
    client.delete_registered_model_alias(model, "champion")
    for name, value in mlflow_server.reader(f"reader-{model}").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(mlflow.MlflowException, match="Permission denied"):
        client.set_registered_model_alias(model, "champion", "1")
    assert "version 1: 2 policies" in pull(path, tmp_path / "models")


def test_a_user_who_may_only_read_does_not_fail_as_the_log_is_not_marked(champion, mlflow_server, monkeypatch):
    config = load_config(champion[0])
    client = mlflow.MlflowClient(mlflow_server.uri, mlflow_server.uri)
    client.delete_registered_model_tag(config.registry.model, "palm.promotion_log")
    for name, value in mlflow_server.reader(f"unmarked-{config.registry.model}").items():
        monkeypatch.setenv(name, value)
    assert promotions(config).champion(fix_alias=True) == "1"
    assert "palm.promotion_log" not in client.get_registered_model(config.registry.model).tags


def test_a_version_that_is_not_there_is_an_error(config, tmp_path):
    path = tmp_path / "portfolio.yaml"
    assert "nothing was promoted yet" in pull(path, tmp_path / "models", code=1)
    assert "small version 7: does not exist" in pull(path, tmp_path / "models", "--version", "7", code=1)
