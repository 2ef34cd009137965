"""Changes since the last build that the gate has judged."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from support.workspace import edit_config

from palm.builds.rebuild.snapshot import take_snapshot
from palm.config.load import load_config
from palm.errors import PalmError, RegistryError, RewardError, WeightsError
from palm.promotion.judged import VERDICT
from palm.registry.connection import connected
from palm.steps.detect_change import detect_change


def register(config, workspace, snapshot, *, aliases, verdict=None):
    """Register a version with everything that detect_change reads."""
    with connected(config.registry) as client:
        if not client.get_experiment_by_name("small"):
            client.create_experiment("small", f"file://{workspace}/artifacts")
            client.create_registered_model("small")
        run = client.create_run(client.get_experiment_by_name("small").experiment_id).info
        if snapshot is not None:
            client.log_text(run.run_id, json.dumps(snapshot), "snapshot.json")
        client.set_terminated(run.run_id)
        version = client.create_model_version("small", f"{run.artifact_uri}/portfolio", run_id=run.run_id).version
        for alias in aliases:
            client.set_registered_model_alias("small", alias, version)
        if verdict:
            client.set_model_version_tag("small", version, VERDICT, verdict)


def test_without_a_build_there_is_everything_to_build(config, workspace):
    change = detect_change(config, workspace / "changes.md")
    assert change.changed and change.headline == "No portfolio small is registered yet"
    assert (workspace / "changes.md").read_text().startswith("# No portfolio small")


@pytest.mark.parametrize(
    ("verdict", "said"), [("promoted", "which was promoted"), ("refused", "which the gate refused")]
)
def test_the_same_inputs_are_not_built_again_whatever_the_gate_said(config, workspace, verdict, said):
    snapshot = take_snapshot(config)
    register(config, workspace, {**snapshot, "training_revision": 0}, aliases=["champion"], verdict="promoted")
    register(config, workspace, snapshot, aliases=["challenger"], verdict=verdict)
    change = detect_change(config, workspace / "changes.md")
    assert not change.changed and change.lines == [] and said in change.headline and "version 2" in change.headline


def test_a_build_that_was_never_judged_does_not_count(config, workspace):
    snapshot = take_snapshot(config)
    register(config, workspace, {**snapshot, "training_revision": 0}, aliases=["champion"], verdict="promoted")
    register(config, workspace, snapshot, aliases=["challenger"])
    change = detect_change(config, workspace / "changes.md")
    assert change.changed and change.lines == ["training revision: 0 → 1"] and "version 1" in change.headline
    assert "- `training revision: 0 → 1`\n" in (workspace / "changes.md").read_text()


def test_a_build_that_was_judged_but_not_finished_is_done_again(config, workspace):
    register(config, workspace, take_snapshot(config), aliases=["challenger", "champion"], verdict="promoted")
    with connected(config.registry) as client:
        (run,) = client.search_runs([client.get_experiment_by_name("small").experiment_id])
        client.update_run(run.info.run_id, status="RUNNING")
    change = detect_change(config, workspace / "changes.md")
    assert change.changed and change.headline == "The build of version 1 of small did not finish"


def test_a_champion_whose_inputs_nobody_recorded_is_not_taken_for_unchanged(config, workspace):
    register(config, workspace, None, aliases=["champion"])
    change = detect_change(config, workspace / "changes.md")
    assert change.changed and change.headline.startswith("The inputs of version 1 of small are not recorded")


def test_an_unreadable_source_is_an_error_and_leaves_no_file(config, workspace):
    away = edit_config(workspace, rewards__1={"name": "vowels", "uri": "python:gone.py:f"})
    with pytest.raises(RewardError):
        detect_change(load_config(away), workspace / "changes.md")
    away = edit_config(workspace, rewards__1={"name": "vowels", "uri": "python:rewards.py:vowels"})
    server = config.registry.model_copy(update={"tracking_uri": "http://127.0.0.1:9"})
    with pytest.raises(RegistryError):
        detect_change(load_config(away).model_copy(update={"registry": server}), workspace / "changes.md")
    away = edit_config(workspace, design__strategy="nonsense")
    with pytest.raises(WeightsError):
        detect_change(load_config(away), workspace / "changes.md")
    assert not (workspace / "changes.md").exists()


def component(workspace, config) -> tuple[bool, list[str]]:
    """Result of the component in a process of its own, and the heavy libraries that it has imported."""
    script = """
import json, sys, types
from palm.components.detect_change.component import detect_change
changes = types.SimpleNamespace(path=sys.argv[2])
found = detect_change.python_func(open(sys.argv[1]).read(), changes)
heavy = {"torch", "transformers", "trl", "huggingface_hub", "scipy.optimize"}
print(json.dumps([found[0], sorted(heavy & set(sys.modules))]))
"""
    (workspace / "config.json").write_text(config.to_json())
    command = [sys.executable, "-c", script, workspace / "config.json", workspace / "changes.md"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def test_neither_torch_nor_transformers_is_imported(config, workspace):
    """With a champion, and rewards of the kinds that need no network."""
    edit_config(workspace, rewards__1={"name": "short", "uri": "verifier:length", "target": 3, "scale": 2})
    config = load_config(workspace / "portfolio.yaml")
    register(config, workspace, take_snapshot(config), aliases=["champion"], verdict="promoted")
    assert component(workspace, config) == (False, [])


def test_four_unchanged_rewards_in_s3_cost_a_request_each(workspace, s3, monkeypatch, caplog):
    """Two Python files and two classifiers; nothing is downloaded, no library of models is imported."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(workspace / "cache"))
    rewards = []
    for name in ("first", "second"):
        s3.put_object(Bucket="palm", Key=f"{name}.py", Body=f"def {name}(prompts, responses): return [1.0]".encode())
        for file in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
            s3.put_object(Bucket="palm", Key=f"{name}/{file}", Body=b"{}")
        rewards.append({"name": f"{name}_file", "uri": f"python:s3://palm/{name}.py:{name}"})
        rewards.append({"name": f"{name}_classifier", "uri": f"s3://palm/{name}", "label": 1})
    config = load_config(edit_config(workspace, rewards=rewards))
    # Sources are asked, and the Python files are downloaded, for the first time.
    register(config, workspace, take_snapshot(config), aliases=["champion"], verdict="promoted")
    with caplog.at_level("INFO", logger="werkzeug"):
        caplog.clear()
        assert component(workspace, config) == (False, [])
    asked = [record.getMessage() for record in caplog.records if record.name == "werkzeug"]
    assert 0 < len(asked) <= len(rewards), asked


REWARD = "def f(prompts, responses): return [1.0]"
SOURCES = {
    "file": {"uri": "python:f.py:f"},
    "module": {"uri": "python:palm_test_module:f"},
    "s3_file": {"uri": "python:s3://palm/f.py:f"},
    "folder": {"uri": "hf:./judge"},
    "s3_folder": {"uri": "s3://palm/judge"},
    "version": {"uri": "mlflow:models:/judge/1"},
    "alias": {"uri": "mlflow:models:/judge@live"},
}


@pytest.fixture
def everywhere(workspace, s3, monkeypatch):
    """A champion with a reward of every removable kind; prompts and base model in S3 and in a folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(workspace / "cache"))
    monkeypatch.syspath_prepend(workspace)
    for name in ("f", "palm_test_module"):
        (workspace / f"{name}.py").write_text(REWARD)
    for name in ("judge", "base"):
        (workspace / name).mkdir()
        (workspace / name / "config.json").write_text("{}")
    s3.put_object(Bucket="palm", Key="f.py", Body=REWARD.encode())
    s3.put_object(Bucket="palm", Key="judge/config.json", Body=b"{}")
    s3.upload_file(str(workspace / "eval.jsonl"), "palm", "eval.jsonl")
    config = load_config(
        edit_config(
            workspace,
            base_model={"source": "./base"},
            prompts__eval="s3://palm/eval.jsonl",
            rewards=[{"name": name, **source} for name, source in SOURCES.items()],
            evaluation={"embedding_model": "s3://palm/judge"},
            design={"strategy": "uniform", "epsilon": 0.4, "delta": 0.1, "size": len(SOURCES)},
        )
    )
    with connected(config.registry) as client:
        client.create_registered_model("judge")
        for source in ("a", "b"):
            client.create_model_version("judge", source)
        client.set_registered_model_alias("judge", "live", "2")
    register(config, workspace, take_snapshot(config), aliases=["champion"], verdict="promoted")
    assert not detect_change(config, workspace / "before.md").changed
    return config


GONE = {
    "a file": (lambda folder, s3, _: (folder / "f.py").unlink(), "reward 'file'"),
    "an import": (lambda folder, s3, _: (folder / "f.py").write_text("import no_such"), "reward 'file'"),
    "a function": (lambda folder, s3, _: (folder / "f.py").write_text("g = 1"), "reward 'file'"),
    "a module": (lambda folder, s3, _: _remove_module(folder), "reward 'module'"),
    "an object": (lambda folder, s3, _: s3.delete_object(Bucket="palm", Key="f.py"), "reward 's3_file'"),
    "a folder": (lambda folder, s3, _: shutil.rmtree(folder / "judge"), "reward 'folder'"),
    "a prefix": (lambda folder, s3, _: s3.delete_object(Bucket="palm", Key="judge/config.json"), "reward 's3_folder'"),
    "a version": (lambda folder, s3, client: client.delete_model_version("judge", "1"), "reward 'version'"),
    "an alias": (lambda folder, s3, client: client.delete_registered_model_alias("judge", "live"), "reward 'alias'"),
    "a model": (lambda folder, s3, client: client.delete_registered_model("judge"), "reward 'version'"),
    "training prompts": (lambda folder, s3, _: (folder / "train.jsonl").unlink(), "prompts.train"),
    "prompts in S3": (lambda folder, s3, _: s3.delete_object(Bucket="palm", Key="eval.jsonl"), "eval.jsonl"),
    "a base model": (lambda folder, s3, _: shutil.rmtree(folder / "base"), "base_model.source"),
}


def _remove_module(folder) -> None:
    (folder / "palm_test_module.py").unlink()
    sys.modules.pop("palm_test_module")


@pytest.mark.parametrize("what", GONE)
def test_a_source_that_cannot_be_read_is_an_error_and_never_unchanged(everywhere, workspace, s3, what):
    remove, named = GONE[what]
    with connected(everywhere.registry) as client:
        remove(workspace, s3, client)
    with pytest.raises(PalmError, match=re.escape(named)):
        detect_change(everywhere, workspace / "changes.md")
    assert not (workspace / "changes.md").exists()


def test_a_corpus_that_is_gone_is_an_error(config, workspace):
    (workspace / "corpus.jsonl").unlink()
    with pytest.raises(PalmError, match="base_model.tiny.corpus=.*cannot be read"):
        detect_change(config, workspace / "changes.md")


def test_a_bucket_that_is_gone_is_an_error(everywhere, workspace, s3):
    s3.create_bucket(Bucket="other")
    away = edit_config(workspace, rewards__4__uri="s3://other/judge")
    s3.put_object(Bucket="other", Key="judge/config.json", Body=b"{}")
    assert detect_change(load_config(away), workspace / "changes.md").headline.startswith("Nothing has changed")
    s3.delete_object(Bucket="other", Key="judge/config.json")
    s3.delete_bucket(Bucket="other")
    with pytest.raises(RewardError, match="reward 's3_folder'.*NoSuchBucket"):
        detect_change(load_config(away), workspace / "changes.md")
