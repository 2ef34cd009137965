"""The configuration of a run: text or an address, with other places for results."""

import json
import re
from pathlib import Path

import pytest
import yaml
from support.errors import one_line
from support.workspace import edit_config

from palm.config.resolve import (
    CONFIGS,
    LONGEST_ADDRESS,
    SNAPSHOTS,
    publish,
    publish_config,
    read_snapshot,
    resolve_config,
)
from palm.errors import ConfigError, StorageError
from palm.storage.s3_settings import use_s3_settings


def test_json_and_yaml_text_give_the_same_configuration(config):
    assert resolve_config(config.to_json()) == resolve_config(config.to_yaml()) == config


def test_an_address_in_s3_is_read(config, s3):
    s3.put_object(Bucket="palm", Key="portfolio.yaml", Body=config.to_yaml().encode())
    assert resolve_config(" s3://palm/portfolio.yaml\n") == config
    with pytest.raises(StorageError, match="config=s3://palm/other.yaml: cannot be read"):
        resolve_config("s3://palm/other.yaml")


def stored_at(config, root):
    return config.model_copy(update={"storage": config.storage.model_copy(update={"root": root})})


def test_a_published_configuration_is_read_by_its_address(config, root):
    wanted = stored_at(config, root)
    address = publish_config(wanted)
    assert re.fullmatch(rf"{root}/configs/[0-9a-f]{{16}}\.json", address)
    assert resolve_config(address) == wanted
    assert publish_config(wanted) == address
    assert publish_config(wanted.model_copy(update={"beta": 0.3})) != address
    assert resolve_config(address) == wanted


def test_a_configuration_of_any_size_has_a_short_address(config, root):
    """Parameters of a run are limited to 10,000 bytes, and each is shown in full in the UI."""
    raw = json.loads(stored_at(config, root).to_json())
    raw["design"] |= {"strategy": "weights", "size": None, "weights": [[0.5, 0.5]] * 2000}
    wanted = resolve_config(json.dumps(raw))
    assert len(wanted.to_json()) > 10_000
    address = publish_config(wanted)
    assert len(address) <= LONGEST_ADDRESS and resolve_config(address) == wanted


def test_a_snapshot_is_text_or_an_address(root):
    snapshot = {"rewards": {"length": "é"}, "beta": 0.1}
    address = publish(f"{root}/", SNAPSHOTS, snapshot)
    assert address.startswith(f"{root}/snapshots/")
    assert json.loads(read_snapshot(address)) == snapshot
    text = json.dumps(snapshot)
    assert read_snapshot(text) == text and read_snapshot("") == ""


def test_an_address_too_long_for_kubeflow_is_refused(s3, tmp_path):
    rest = len(f"/{CONFIGS}/0123456789abcdef.json")
    fits = "s3://palm/".ljust(LONGEST_ADDRESS - rest, "x")
    assert len(publish(fits, CONFIGS, {"beta": 0.1})) == LONGEST_ADDRESS
    with pytest.raises(ConfigError, match=r"storage.root=.*201 characters long, the limit is 200; choose a shorter"):
        publish(f"{fits}x", CONFIGS, {"beta": 0.1})
    assert s3.list_objects_v2(Bucket="palm")["KeyCount"] == 1
    # The settings of S3 do not count.
    use_s3_settings({"region": "us-east-1", "addressing_style": "path", "checksums": "when_required"})
    address = publish(fits, CONFIGS, {"beta": 0.1})
    assert len(address) > LONGEST_ADDRESS and json.loads(read_snapshot(address)) == {"beta": 0.1}
    # Nothing is copied into Kubeflow where a build runs on this machine.
    local = str(tmp_path / ("x" * LONGEST_ADDRESS))
    assert Path(publish(local, CONFIGS, {"beta": 0.1})).exists()


@pytest.mark.parametrize("read", [resolve_config, read_snapshot])
def test_a_missing_file_is_one_line(read, root):
    with one_line(StorageError, f"={root}/none.json: cannot be read"):
        read(f"{root}/none.json")


def test_places_are_replaced_only_when_given(config):
    moved = resolve_config(config.to_json(), storage_root="s3://b/p", tracking_uri="http://mlflow:5000")
    assert moved.storage.root == "s3://b/p" and moved.registry.tracking_uri == "http://mlflow:5000"
    assert moved.registry.model == config.registry.model
    raw = yaml.safe_load(config.to_yaml())
    del raw["storage"]
    assert resolve_config(yaml.safe_dump(raw), storage_root="/x").storage.root == "/x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be a YAML mapping"),
        ("portfolio.yaml", "must be a YAML mapping"),
        ("a: [", "is not valid YAML"),
        ("{}", "config: name"),
        ("storage: s3://a", "config: name"),
    ],
)
def test_bad_text_is_one_line(text, message):
    with one_line(ConfigError, message):
        resolve_config(text, storage_root="s3://b")


@pytest.mark.parametrize(
    "edits",
    [
        {"prompts__eval": "eval.jsonl"},
        {"base_model__tiny__corpus": "corpus.jsonl"},
        {"rewards__0__uri": "python:rewards.py:length"},
        {"base_model": {"source": "./model"}},
    ],
)
def test_a_relative_path_is_refused(config, tmp_path, edits):
    path = tmp_path / "portfolio.yaml"
    path.write_text(config.to_yaml())
    edit_config(tmp_path, **edits)
    with pytest.raises(ConfigError, match="is a relative path, which tasks cannot find"):
        resolve_config(path.read_text())
