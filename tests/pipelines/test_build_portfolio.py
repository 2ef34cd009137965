"""The whole pipeline by the real local runner, started as a user starts it."""

import json
import re
import shutil
from pathlib import Path

import pytest
from support.made_once import made_once
from support.workspace import edit_config, make_workspace


@pytest.fixture(scope="module")
def built(tmp_path_factory, palm):
    """A workspace in which a portfolio has been built, and what the command printed."""

    def make(folder: Path) -> None:
        result = palm("run", make_workspace(folder) / "portfolio.yaml")
        (folder / "printed.txt").write_text(result.stdout)

    # Tests that go on with the build do so in a copy, but MLflow adds their artifacts beside the first build's.
    workspace = shutil.copytree(made_once(tmp_path_factory, "built", make), tmp_path_factory.mktemp("built") / "copy")
    return workspace, (workspace / "printed.txt").read_text()


@pytest.fixture
def copy(built, tmp_path):
    """A copy of the workspace with the first build's store and registry; the configuration's paths are relative."""
    shutil.copytree(built[0], tmp_path / "copy", ignore=shutil.ignore_patterns("builds", "mlartifacts", "mlflow.db"))
    return tmp_path / "copy"


def newest(workspace):
    return max((workspace / "builds").iterdir())


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


def test_from_yaml_to_a_promoted_portfolio(built):
    workspace, stdout = built
    folder = newest(workspace)
    found = summary(folder)
    assert [entry["weights"] for entry in found["policies"]] == found["design"]["weights"]
    assert found["promotion"]["promoted"] and found["registration"]["aliases"] == ["challenger", "champion"]
    for text in [
        *found["selection"]["portfolio"],
        "worst weights",
        "small version 1",
        "challenger and champion",
        f"{found['selection']['epsilon']:.4f}",
        f"/builds/{folder.name}/report.html",
        "train_policy 0.500 0.500",
    ]:
        assert text in stdout
    assert "<html" in (folder / "report.html").read_text()
    log = (folder / "run.log").read_text()
    for step in ("prepare_base_model tiny", "sample_reference ", "train_policy 0.500 0.500", "evaluate_policy 1.000"):
        assert re.search(rf"\[palm .*INFO\]: {step}.* start", log), "not done by a worker of the pool"
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    trained = {event["process"] for event in events if event["stage"] == "train_policy"}
    assert len(trained) == len(found["policies"]), "a process a policy"
    assert not any(entry["reused"] for entry in found["policies"])
    assert found["build_id"] == folder.name
    outcome = (folder / "outcome.md").read_text()
    assert outcome.startswith("# small: version 1 is champion") and "3 trained, 0 reused, 0 failed" in outcome


def test_the_schedules_pipeline_does_one_task_and_its_record_until_something_changes(built, palm):
    workspace, _ = built
    same = palm("run", workspace / "portfolio.yaml", "--if-changed")
    done = re.findall(r"✓ (\w+)", same.stdout)
    assert done == ["detect_change", "record_outcome"] and "nothing has changed, nothing was built" in same.stdout
    changes = next(newest(workspace).glob("steps/*/detect-change/changes")).read_text()
    assert "Nothing has changed since version 1" in changes
    assert "sample-reference" not in (newest(workspace) / "run.log").read_text()
    palm("run", edit_config(workspace, selection__size=3), "--if-changed")
    again = summary(newest(workspace))
    assert again["registration"]["version"] == "2" and again["promotion"]["promoted"]
    assert all(entry["reused"] for entry in again["policies"])
    assert "- `selection.size: 2 → 3`" in (newest(workspace) / "outcome.md").read_text()


def test_policies_in_groups_are_the_policies_one_by_one(built, workspace, palm):
    palm("run", edit_config(workspace, training__together=2))
    folder, first = newest(workspace), min((built[0] / "builds").iterdir())
    tasks = [sorted(path.parent.name for path in place.glob("steps/*/*/train-policies")) for place in (folder, first)]
    assert [len(names) for names in tasks] == [2, 3]
    grouped, single = summary(folder), summary(first)
    assert not any(entry["reused"] for entry in grouped["policies"])
    for policy in (*grouped["policies"], *single["policies"]):
        del policy["training_seconds"]
    assert grouped["policies"] == single["policies"] and grouped["selection"] == single["selection"]
    assert grouped["promotion"] == single["promotion"]
    assert "3 trained, 0 reused, 0 failed" in (folder / "outcome.md").read_text()


def fresh_store_with_a_damaged_policy(copy, *, kept: str) -> Path:
    """A store with some entries of the first build's, and the policy of equal weights damaged; returns that."""
    broken = next(path for path in (copy / "store").glob("policy-*") if '"weights": [0.5, 0.5]' in _record(path))
    for entry in {*copy.glob(f"store/{kept}"), broken}:
        shutil.copytree(entry, copy / "fresh" / entry.name)
    adapter = copy / "fresh" / broken.name / "adapter_model.safetensors"
    adapter.write_bytes(adapter.read_bytes()[:-1] + b"x")
    return adapter


def test_a_policy_that_fails_is_named_and_the_others_are_kept_for_the_next_run(copy, palm):
    config = edit_config(copy, storage__root="fresh")
    adapter = fresh_store_with_a_damaged_policy(copy, kept="base-model-*")
    (line,) = palm("run", config, code=1).stderr.strip().splitlines()
    assert line.startswith("error: train_policy 0.500 0.500: ") and "sha256" in line
    folder = newest(copy)
    assert not (folder / "summary.json").exists()
    outcome = (folder / "outcome.md").read_text()
    assert outcome.startswith("# small: the build failed at train_policy 0.500 0.500")
    assert f"| train_policy | 0.500 0.500 | 1 | `{adapter}: sha256" in outcome
    assert "2 of 3 policies: are too few, training.min_policies is 3" in outcome
    assert "2 trained, 0 reused, 1 failed" in outcome
    page = (folder / "report.html").read_text()
    assert "the build failed at train_policy 0.500 0.500" in page and "sha256" in page
    shutil.rmtree(adapter.parent)
    palm("run", config)
    assert [entry["reused"] for entry in summary(newest(copy))["policies"]] == [True, False, True]


def test_with_enough_policies_left_a_build_goes_on_without_the_one_that_failed(copy, palm):
    config = edit_config(copy, storage__root="fresh", training__min_policies=2)
    adapter = fresh_store_with_a_damaged_policy(copy, kept="*-*")
    result = palm("run", config)
    folder = newest(copy)
    found, outcome = summary(folder), (folder / "outcome.md").read_text()
    assert [entry["weights"] for entry in found["policies"]] == [[0.0, 1.0], [1.0, 0.0]]
    (missing,) = found["selection"]["missing"]
    assert missing["weights"] == [0.5, 0.5] and missing["error"].startswith(f"{adapter}: sha256")
    check = next(check for check in found["promotion"]["checks"] if check["name"] == "policies whose training failed")
    assert check["passed"] and (check["value"], check["limit"]) == (1, 1) and str(adapter) in check["detail"]
    assert found["promotion"]["promoted"]
    assert "policies whose training failed: 0.500 0.500" in found["promotion"]["reason"]
    assert outcome.startswith("# small: version 1 is champion") and "0 trained, 2 reused, 1 failed" in outcome
    assert f"| train_policy | 0.500 0.500 | 1 | `{adapter}: sha256" in outcome
    assert f"no policy for 0.500 0.500: {adapter}" in result.stdout
    assert str(adapter) in (folder / "report.html").read_text()


def _record(policy):
    return (policy / "policy.json").read_text()


def test_a_failing_step_is_reported_in_one_line_and_its_log_is_kept(workspace, palm):
    rewards = workspace / "rewards.py"
    rewards.write_text(
        rewards.read_text() + "\ndef late(prompts, responses, **fields):\n"
        "    return [0.5 if len(responses) < 3 else 2.0 for _ in responses]\n"
    )
    late = {"name": "late", "uri": "python:rewards.py:late"}
    (line,) = palm("run", edit_config(workspace, rewards__1=late), code=1).stderr.strip().splitlines()
    assert line.startswith("error: sample_reference") and "reward 'late' gave 2.0" in line
    log = newest(workspace) / "run.log"
    assert str(log) in line and "RewardValueError" in log.read_text()
    assert not list((workspace / "store").glob("rollouts-*"))
    assert "| sample_reference |  | 1 | `reward 'late' gave 2.0" in (newest(workspace) / "outcome.md").read_text()


def test_soups_share_corner_policies_that_are_trained_before_them(workspace, palm):
    training = {"backend": "soup", "steps": 1, "rwr": {"learning_rate": 0.003}}
    palm("run", edit_config(workspace, training=training))
    folder = newest(workspace)
    assert [entry["weights"] for entry in summary(folder)["policies"]] == [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    records = [json.loads(_record(place)) for place in (workspace / "store").glob("policy-*")]
    assert sorted(record["backend"] for record in records) == ["rwr"] * 2 + ["soup"] * 3
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    trainings = [event for event in events if event["stage"] == "train_policy" and event["event"] in ("start", "done")]
    labels = [event["label"] for event in trainings]
    assert labels.index("0.500 0.500") >= 4, "a soup was begun before its corners were there"


def test_after_a_changed_reward_earlier_policies_are_kept_continued_and_compared(built, palm):
    workspace, _ = built
    champion = summary(newest(workspace))["registration"]["version"]
    rewards = workspace / "rewards.py"
    rewards.write_text(rewards.read_text().replace("min(len(text), 20) / 20", "1 - min(len(text), 20) / 20"))
    result = palm("run", workspace / "portfolio.yaml", "--if-changed")
    folder = newest(workspace)
    found, outcome = summary(folder), (folder / "outcome.md").read_text()
    assert "reward length" in outcome
    plan = json.loads(next(folder.glob("steps/*/design-grid/plan/plan.json")).read_text())
    assert plan["from_version"] == champion and len(plan["earlier"]) == 3
    starts = {entry["start"] for entry in plan["trainings"]} - {""}
    trained = [entry for entry in found["policies"] if not entry["reused"]]
    assert len(trained) == len(found["trained"]) and len(found["continued"]) == len([e for e in trained if e["start"]])
    assert {entry["start"] for entry in trained} - {None} == starts
    assert sum(entry["earlier"] for entry in found["policies"]) + len(found["reused"]) >= 3 > len(found["reused"])
    loss = next(check for check in found["promotion"]["checks"] if f"against version {champion}" in check["name"])
    assert loss["bound"] >= loss["value"]
    for text in (f"3 policies of version {champion} were candidates", "device-seconds spent"):
        assert text in result.stdout
    before = {path.name for path in (workspace / "store").iterdir()}
    palm("run", workspace / "portfolio.yaml")
    assert {path.name for path in (workspace / "store").iterdir()} - {"builds"} == before - {"builds"}
    repeated = summary(newest(workspace))
    assert not repeated["trained"] and repeated["selection"] == found["selection"]
