"""The whole pipeline by the real local runner, started as a user starts it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import yaml
from conftest import edit_config

from pipelines.compile import compile_pipeline

COMPILED = Path(__file__).parents[2] / "pipelines" / "build_portfolio" / "pipeline.yaml"


def run(path):
    """In a process of its own: MLflow and KFP set up logging for the process that they are in."""
    return subprocess.run([Path(sys.executable).with_name("palm"), "run", path], capture_output=True, text=True)


def test_committed_yaml_is_what_the_code_compiles_to(tmp_path):
    compile_pipeline(tmp_path / "pipeline.yaml")
    assert (tmp_path / "pipeline.yaml").read_text() == COMPILED.read_text(), (
        "run: palm compile --output pipelines/build_portfolio/pipeline.yaml"
    )


def test_every_task_runs_the_projects_image_without_installing_anything():
    specification = next(yaml.safe_load_all(COMPILED.read_text()))
    containers = [executor["container"] for executor in specification["deploymentSpec"]["executors"].values()]
    assert len(containers) == 10
    for container in containers:
        assert container["image"] == "localhost/palm-python:0.1.0"
        assert "pip install" not in " ".join(container["command"])


def test_from_yaml_to_a_promoted_portfolio_and_again_without_training(workspace):
    first = run(workspace / "portfolio.yaml")
    assert first.returncode == 0, first.stderr
    folder = next((workspace / "builds").iterdir())
    summary = json.loads((folder / "summary.json").read_text())
    assert [entry["weights"] for entry in summary["policies"]] == summary["design"]["weights"]
    assert summary["promotion"]["promoted"] and summary["registration"]["aliases"] == ["challenger", "champion"]
    for text in [
        *summary["selection"]["portfolio"],
        "worst weights",
        "small version 1",
        "challenger and champion",
        f"{summary['selection']['epsilon']:.4f}",
        f"{folder}/report.html",
        "train_policy 0.500 0.500",
    ]:
        assert text in first.stdout
    assert "<html" in (folder / "report.html").read_text()
    log = (folder / "run.log").read_text()
    for step in ("prepare_base_model tiny", "sample_reference ", "train_policy 0.500 0.500", "evaluate_policy 1.000"):
        assert re.search(rf"\[palm .*INFO\]: {step}.* start", log), "not done by a worker of the pool"
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    trained = {event["process"] for event in events if event["stage"] == "train_policy"}
    assert len(trained) == len(summary["policies"]), "a process a policy"
    second = run(workspace / "portfolio.yaml")
    assert second.returncode == 0, second.stderr
    newer = max((workspace / "builds").iterdir())
    again = json.loads((newer / "summary.json").read_text())
    assert newer != folder and again["registration"]["version"] == "2"
    assert again["build_id"] != summary["build_id"]
    assert not any(entry["reused"] for entry in summary["policies"])
    assert again["policies"] == [{**entry, "reused": True} for entry in summary["policies"]]


def test_a_failing_step_is_told_in_one_line_and_its_log_is_kept(workspace):
    rewards = workspace / "rewards.py"
    rewards.write_text(
        rewards.read_text() + "\ndef late(prompts, responses, **fields):\n"
        "    return [0.5 if len(responses) < 3 else 2.0 for _ in responses]\n"
    )
    result = run(edit_config(workspace, rewards__1={"name": "late", "uri": "python:rewards.py:late"}))
    assert result.returncode == 1
    line = result.stderr.strip().splitlines()
    assert len(line) == 1
    assert line[0].startswith("error: sample_reference") and "reward 'late' gave 2.0" in line[0]
    log = next((workspace / "builds").iterdir()) / "run.log"
    assert str(log) in line[0] and "RewardError" in log.read_text()
    assert not list((workspace / "store").glob("rollouts-*"))


def test_soups_share_corner_policies_that_are_trained_before_them(workspace):
    path = edit_config(workspace, training={"backend": "soup", "steps": 1, "rwr": {"learning_rate": 0.003}})
    result = run(path)
    assert result.returncode == 0, result.stderr
    folder = next((workspace / "builds").iterdir())
    summary = json.loads((folder / "summary.json").read_text())
    assert [entry["weights"] for entry in summary["policies"]] == [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    records = [json.loads((place / "policy.json").read_text()) for place in (workspace / "store").glob("policy-*")]
    assert sorted(record["backend"] for record in records) == ["rwr"] * 2 + ["soup"] * 3
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    trainings = [event for event in events if event["stage"] == "train_policy" and event["event"] in ("start", "done")]
    labels = [event["label"] for event in trainings]
    assert labels.index("0.500 0.500") >= 4, "a soup was begun before its corners were there"
