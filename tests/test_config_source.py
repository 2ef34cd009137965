"""The configuration of a run: text or an address, with other places for results."""

import pytest
import yaml
from conftest import edit_config

from palm.config_source import resolve_config
from palm.errors import ConfigError, StorageError


def test_json_and_yaml_text_give_the_same_configuration(config):
    assert resolve_config(config.to_json()) == resolve_config(config.to_yaml()) == config


def test_an_address_in_s3_is_read(config, s3):
    s3.put_object(Bucket="palm", Key="portfolio.yaml", Body=config.to_yaml().encode())
    assert resolve_config(" s3://palm/portfolio.yaml\n") == config
    with pytest.raises(StorageError, match="config=s3://palm/other.yaml: cannot be read"):
        resolve_config("s3://palm/other.yaml")


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
        ("a: 1\na: 2", "key 'a' is given twice"),
        ("{}", "config: name"),
        ("storage: s3://a", "config: name"),
    ],
)
def test_bad_text_is_told_in_one_line(text, message):
    with pytest.raises(ConfigError, match=message) as error:
        resolve_config(text, storage_root="s3://b")
    assert "\n" not in str(error.value)


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
