"""Mounts of the containers of a local build; tests/containers runs them."""

import pytest
from support.workspace import edit_config

from palm.config.load import load_config
from palm.errors import BuildError
from palm.local.containers import check_image, mounted_paths


def test_files_of_the_configuration_are_read_and_its_folders_written(workspace):
    config = load_config(workspace / "portfolio.yaml")
    read, written = mounted_paths(config)
    assert read == {workspace / name for name in ("corpus.jsonl", "train.jsonl", "eval.jsonl")} | {workspace}
    assert written == {workspace, workspace / "store"}


def test_what_is_not_on_this_machine_is_not_mounted(workspace):
    edit_config(
        workspace,
        base_model={"source": "s3://palm/model"},
        rewards=[
            {"name": "short", "uri": "verifier:length", "target": 4, "scale": 2},
            {"name": "kind", "uri": "hf:team/kindness@main", "label": 0},
            {"name": "own", "uri": "python:package.module:function"},
        ],
        registry__tracking_uri="http://mlflow:5000",
        storage__root="s3://palm/store",
    )
    read, written = mounted_paths(load_config(workspace / "portfolio.yaml"))
    assert read == {workspace / "train.jsonl", workspace / "eval.jsonl"}
    assert written == set()


def test_a_model_folder_is_read(workspace):
    (workspace / "model").mkdir()
    edit_config(workspace, base_model={"source": "./model"}, evaluation={"embedding_model": "./model"})
    assert workspace / "model" in mounted_paths(load_config(workspace / "portfolio.yaml"))[0]


def test_without_a_daemon_one_line_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(BuildError, match=r"^image=palm: no Docker daemon answers .*; start it"):
        check_image("palm")
