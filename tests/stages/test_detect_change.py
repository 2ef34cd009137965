"""What a build is compared with: the last one that the gate judged."""

import json
import subprocess
import sys

import pytest
from conftest import edit_config

from palm.config_file import load_config
from palm.errors import RegistryError, RewardError, WeightsError
from palm.mlflow_connection import connected
from palm.registry.promotion import VERDICT
from palm.stages.detect_change import detect_change
from palm.stages.snapshot import take_snapshot


def register(config, workspace, snapshot, *, aliases, verdict=None):
    """A version as register_portfolio leaves it, as far as the detection reads it."""
    with connected(config.registry) as client:
        found = client.get_experiment_by_name("small")
        experiment = (
            found.experiment_id if found else client.create_experiment("small", f"file://{workspace}/artifacts")
        )
        run = client.create_run(experiment).info.run_id
        if snapshot is not None:
            client.log_text(run, json.dumps(snapshot), "snapshot.json")
        client.set_terminated(run)
        if not client.search_registered_models("name = 'small'"):
            client.create_registered_model("small")
        version = client.create_model_version(
            "small", f"{client.get_run(run).info.artifact_uri}/portfolio", run_id=run
        ).version
        for alias in aliases:
            client.set_registered_model_alias("small", alias, version)
        if verdict:
            client.set_model_version_tag("small", version, VERDICT, verdict)
    return version


def test_without_a_build_there_is_everything_to_build(config, workspace):
    change = detect_change(config, workspace / "changes.md")
    assert change.changed and change.headline == "No portfolio small is registered yet"
    assert (workspace / "changes.md").read_text().startswith("# No portfolio small")


@pytest.mark.parametrize(
    ("verdict", "said"), [("promoted", "which was promoted"), ("refused", "which the gate refused")]
)
def test_the_same_inputs_are_not_built_again_whatever_the_gate_said(config, workspace, verdict, said):
    snapshot = take_snapshot(config)
    register(config, workspace, {**snapshot, "palm": "0.0.0"}, aliases=["champion"], verdict="promoted")
    register(config, workspace, snapshot, aliases=["challenger"], verdict=verdict)
    change = detect_change(config, workspace / "changes.md")
    assert not change.changed and change.lines == [] and said in change.headline and "version 2" in change.headline


def test_a_build_that_was_never_judged_does_not_count(config, workspace):
    snapshot = take_snapshot(config)
    register(config, workspace, {**snapshot, "palm": "0.0.0"}, aliases=["champion"], verdict="promoted")
    register(config, workspace, snapshot, aliases=["challenger"])
    change = detect_change(config, workspace / "changes.md")
    assert change.changed and change.lines == ["palm: 0.0.0 → 0.1.0"] and "version 1" in change.headline
    assert "- palm: 0.0.0 → 0.1.0\n" in (workspace / "changes.md").read_text()


def test_a_build_that_was_judged_but_not_finished_is_done_again(config, workspace):
    register(config, workspace, take_snapshot(config), aliases=["challenger", "champion"], verdict="promoted")
    with connected(config.registry) as client:
        (run,) = client.search_runs([client.get_experiment_by_name("small").experiment_id])
        client.update_run(run.info.run_id, status="RUNNING")
    change = detect_change(config, workspace / "changes.md")
    assert change.changed and change.headline == "The build of version 1 of small did not come to its end"


def test_a_champion_whose_inputs_nobody_recorded_is_not_taken_for_unchanged(config, workspace):
    register(config, workspace, None, aliases=["champion"])
    change = detect_change(config, workspace / "changes.md")
    assert change.changed and change.headline.startswith("Nothing is recorded of what version 1")


def test_what_cannot_be_asked_is_an_error_and_leaves_no_file(config, workspace):
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


def test_neither_torch_nor_transformers_is_imported(config, workspace):
    """With a champion, and rewards of the kinds that need no network."""
    edit_config(workspace, rewards__1={"name": "short", "uri": "verifier:length", "target": 3, "scale": 2})
    config = load_config(workspace / "portfolio.yaml")
    register(config, workspace, take_snapshot(config), aliases=["champion"], verdict="promoted")
    script = """
import json, sys, types
from components.detect_change.component import detect_change
changes = types.SimpleNamespace(path=sys.argv[2])
found = detect_change.python_func(open(sys.argv[1]).read(), changes)
print(json.dumps([found[0], sorted({"torch", "transformers", "trl"} & set(sys.modules))]))
"""
    (workspace / "config.json").write_text(config.to_json())
    command = [sys.executable, "-c", script, workspace / "config.json", workspace / "changes.md"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [False, []]
