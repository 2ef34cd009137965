"""Snapshots of inputs, and the words for their differences."""

import json
import re

import mlflow
import pytest
from support.workspace import edit_config, write_jsonl

from palm.builds.rebuild.snapshot import check_snapshot, describe_changes, take_snapshot
from palm.config.load import load_config
from palm.config.portfolio import Registry
from palm.errors import DataError, ModelError, RewardError
from palm.models.source import model_identity
from palm.registry.client import Client
from palm.registry.connection import connected
from palm.registry.experiment import ensure_experiment

JUDGE = """
import mlflow
from mlflow.pyfunc import PythonModel

class Judge(PythonModel):
    def predict(self, context, model_input, params=None):
        return [{value}] * len(model_input)

mlflow.models.set_model(Judge())
"""


def changes(before, workspace):
    return describe_changes(before, take_snapshot(load_config(workspace / "portfolio.yaml")))


@pytest.fixture
def before(config):
    return json.loads(json.dumps(take_snapshot(config)))


def test_equal_snapshots_have_no_differences(before, workspace):
    assert changes(before, workspace) == []


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ({"beta": 0.2}, ["beta: 0.1 → 0.2"]),
        ({"training__steps": 3}, ["training.steps: 2 → 3"]),
        ({"promotion__max_epsilon": 0.5}, ["promotion.max_epsilon: 1.0 → 0.5"]),
        ({"base_model__tiny__steps": 61}, ["base model: tiny steps 60 → 61"]),
        ({"rewards__1__timeout_seconds": 5.0}, []),
        ({"registry__experiment": "other", "storage__root": "elsewhere", "name": "renamed"}, []),
    ],
)
def test_a_changed_setting_is_named_with_its_values(before, workspace, edits, expected):
    edit_config(workspace, **edits)
    assert changes(before, workspace) == expected


def test_a_reward_that_is_added_removed_or_moved_is_named(before, workspace):
    vowels = {"name": "vowels", "uri": "python:rewards.py:vowels"}
    edit_config(workspace, rewards=[vowels, {"name": "short", "uri": "verifier:length", "target": 3, "scale": 2}])
    assert changes(before, workspace) == [
        "reward length is gone",
        "reward short is new",
        "reward order: [length, vowels] → [vowels, short]",
    ]


def test_an_edited_function_and_edited_prompts_are_named(before, workspace):
    rewards = (workspace / "rewards.py").read_text()
    (workspace / "rewards.py").write_text("# A comment.\nimport os\n" + rewards)
    assert changes(before, workspace) == []
    (workspace / "rewards.py").write_text(rewards.replace("min(len(text), 20)", "len(text)"))
    write_jsonl(workspace / "eval.jsonl", [{"prompt": "tell moon"}])
    prompts, reward = changes(before, workspace)
    assert re.fullmatch(r"prompts\.eval: [0-9a-f]{12}… → [0-9a-f]{12}…", prompts)
    assert re.fullmatch(r"reward length: source [0-9a-f]{12}… → [0-9a-f]{12}…", reward)


def test_a_reward_of_another_kind_is_one_line(before, workspace, s3):
    s3.put_object(Bucket="palm", Key="judge/model.safetensors", Body=b"1")
    edit_config(workspace, rewards__1={"name": "vowels", "uri": "s3://palm/judge", "label": 1})
    assert changes(before, workspace) == ["reward vowels: Python function → S3 objects"]


def test_a_base_model_of_another_kind_is_one_line(before, workspace):
    (workspace / "model").mkdir()
    (workspace / "model" / "config.json").write_text("{}")
    edit_config(workspace, base_model={"source": "./model", "dtype": "bfloat16"})
    assert changes(before, workspace) == [
        "base model: tiny model → folder",
        "base model: dtype float32 → bfloat16",
    ]
    then = take_snapshot(load_config(workspace / "portfolio.yaml"))
    (workspace / "model" / "config.json").write_text("{ }")
    (line,) = changes(then, workspace)
    assert re.fullmatch(r"base model: file config\.json [0-9a-f]{12}… → [0-9a-f]{12}…", line)


def version(model: str, created: int) -> dict:
    return {"model": model, "version": "1", "created": created, "source": f"models:/{model}-{created}"}


def objects(etag: str) -> dict:
    return {"objects": {"x.json": f'"{etag}"'}}


A, B = "a" * 40, "b" * 40


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"model": "org/m", "commit": A}, {"model": "org/m", "commit": B}, f"commit {A[:12]}… → {B[:12]}…"),
        ({"model": "org/m", "commit": A}, {"model": "org/n", "commit": A}, "model org/m → org/n"),
        (objects(f"{A[:32]}-3"), objects(B[:32]), f"object x.json {A[:12]}… → {B[:12]}…"),
        (version("j", 1), version("j", 2), "version 1 was registered again"),
        (version("j", 1), version("k", 2), "model j → k"),
    ],
)
def test_a_source_is_described_by_what_a_person_knows_of_it(before, old, new, expected):
    moments = [{**before, "rewards": {**before["rewards"], "vowels": part}} for part in (old, new)]
    assert describe_changes(*moments) == [f"reward vowels: {expected}"]


def test_an_object_that_is_replaced_is_named_and_an_absent_one_is_an_error(before, workspace, s3):
    files = ("config.json", "model.safetensors", "notes.bin")
    for name in files:
        s3.put_object(Bucket="palm", Key=f"judge/{name}", Body=b"1")
    edit_config(workspace, rewards__1={"name": "vowels", "uri": "s3://palm/judge"})
    then = take_snapshot(load_config(workspace / "portfolio.yaml"))
    assert sorted(then["rewards"]["vowels"]["objects"]) == ["config.json", "model.safetensors"]
    s3.put_object(Bucket="palm", Key="judge/notes.bin", Body=b"2")
    assert changes(then, workspace) == []
    s3.put_object(Bucket="palm", Key="judge/model.safetensors", Body=b"2")
    (line,) = changes(then, workspace)
    assert re.fullmatch(r"reward vowels: object model\.safetensors [0-9a-f]{12}… → [0-9a-f]{12}…", line)
    for name in files:
        s3.delete_object(Bucket="palm", Key=f"judge/{name}")
    with pytest.raises(RewardError, match="reward 'vowels': uri='s3://palm/judge': cannot be read"):
        changes(then, workspace)


def test_an_alias_that_points_elsewhere_is_named(workspace):
    registry = Registry(tracking_uri=f"sqlite:///{workspace}/mlflow.db", experiment="judges", model="unused")
    with connected(registry) as client:
        mlflow.set_experiment(experiment_id=ensure_experiment(Client(registry)))
        for value in (0, 1):
            (workspace / "judge.py").write_text(JUDGE.replace("{value}", str(value)))
            model = {"python_model": str(workspace / "judge.py"), "pip_requirements": ["mlflow"]}
            mlflow.pyfunc.log_model(name="judge", registered_model_name="judge", **model)
        client.set_registered_model_alias("judge", "live", "1")
        edit_config(workspace, rewards__1={"name": "judge", "uri": "mlflow:models:/judge@live"})
        then = take_snapshot(load_config(workspace / "portfolio.yaml"))
        client.set_registered_model_alias("judge", "live", "2")
        lines = changes(then, workspace)
        assert lines == ["reward judge: version 1 → 2"]
        client.delete_registered_model_alias("judge", "live")
        with pytest.raises(RewardError, match="reward 'judge'.*does not exist in the registry"):
            changes(then, workspace)


def test_a_hub_that_cannot_be_asked_is_an_error(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://localhost:9")
    with pytest.raises(ModelError, match="base_model.source='org/model@v1': cannot be looked up at the model hub"):
        model_identity("org/model@v1", option="base_model.source")


def test_a_folder_is_described_by_its_model_files(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"1")
    (tmp_path / "notes").write_bytes(b"1")
    before = model_identity(str(tmp_path), option="x")
    assert list(before["files"]) == ["model.safetensors"]
    (tmp_path / "model.safetensors").write_bytes(b"2")
    assert model_identity(str(tmp_path), option="x") != before


def test_a_build_does_not_continue_with_other_inputs(config, workspace, before):
    check_snapshot(config, "")
    check_snapshot(config, json.dumps(before))
    (workspace / "rewards.py").write_text((workspace / "rewards.py").read_text().replace("20", "21"))
    with pytest.raises(DataError, match="inputs of the build: have changed while it ran .*reward length"):
        check_snapshot(config, json.dumps(before))
