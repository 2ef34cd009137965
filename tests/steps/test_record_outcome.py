"""The outcome of a build, drawn from the records of its tasks."""

from pathlib import Path

import mlflow
import pytest

from palm.builds.records import BUILD_VARIABLE, recorded
from palm.errors import PreemptedError, TrainingError
from palm.steps.record_outcome import describe_outcome, outcome_markdown, record_outcome
from palm.storage.records import Records

TRAINED = {
    "policy": "policy-1",
    "weights": [1.0, 0.0],
    "reused": False,
    "start": None,
    "device_seconds": 30.0,
    "guard": None,
}
SPENT = {"continued": [], "device_seconds": 30.0, "device_seconds_saved": 60.0}


def task(step, label="", state="succeeded", started=0.0, **more):
    return {"step": step, "label": label, "state": state, "attempt": 1, "started": started, "result": {}, **more}


def whole_build(promoted=True):
    return [
        task("detect_change", result={"changed": True, "lines": ["beta: 0.1 → 0.2"]}),
        task("train_policy", "1.000 0.000", result=TRAINED),
        task("train_policy", "0 1", result={**TRAINED, "reused": True}),
        task("promote_portfolio", result={"promoted": promoted, "reason": "gap 0.1", "version": "3"}),
        task("report", result={"trained": ["1.000 0.000"], "reused": ["0 1", "0.5 0.5"], **SPENT}),
    ]


@pytest.mark.parametrize(("promoted", "state"), [(True, "promoted"), (False, "refused")])
def test_a_build_that_came_to_its_end(promoted, state):
    outcome = describe_outcome("small", "run-1", whole_build(promoted), only_if_changed=True)
    assert outcome["state"] == state and "version 3" in outcome["headline"] and "gap 0.1" in outcome["headline"]
    assert outcome["changes"] == ["beta: 0.1 → 0.2"] and outcome["failures"] == []
    # KFP's cache may have answered for a policy, which then left no record.
    assert outcome["policies"] == {
        "trained": ["1.000 0.000"],
        "continued": [],
        "marked": [],
        "reused": ["0 1", "0.5 0.5"],
        "failed": [],
        "not_started": [],
    }
    assert (outcome["device_seconds"], outcome["device_seconds_saved"]) == (30.0, 60.0)
    assert "30 device-seconds of training, 60 saved" in outcome_markdown(outcome)


def test_nothing_changed_is_an_outcome_only_where_it_may_be():
    records = [task("detect_change", result={"changed": False, "lines": []})]
    assert describe_outcome("small", "run-1", records, only_if_changed=True)["state"] == "unchanged"
    outcome = describe_outcome("small", "run-1", records, only_if_changed=False)
    assert outcome["state"] == "failed" and outcome["headline"].endswith("the build failed after detect_change")


def test_a_failed_task_and_one_that_vanished_are_named_with_their_reasons():
    records = [
        *whole_build()[:2],
        task("design_grid", result={"weights": [[1, 0], [0, 1], [0.5, 0.5], [0.25, 0.75]]}),
        task("train_policy", "0.000 1.000", "failed", error="loss is not a number", retry_may_help=False),
        task("train_policy", "0.500 0.500", "running"),
    ]
    outcome = describe_outcome("small", "run-1", records, only_if_changed=False)
    assert outcome["state"] == "failed" and outcome["headline"].endswith("train_policy 0.000 1.000 (and 1 more)")
    assert [failure["label"] for failure in outcome["failures"]] == ["0.000 1.000", "0.500 0.500"]
    assert outcome["failures"][0]["error"] == "loss is not a number"
    assert "without reporting why" in outcome["failures"][1]["error"]
    assert outcome["policies"] == {
        "trained": ["1.000 0.000"],
        "continued": [],
        "marked": [],
        "reused": [],
        "failed": ["0.000 1.000", "0.500 0.500"],
        "not_started": ["0.250 0.750"],
    }
    assert "1 never started" in outcome_markdown(outcome)


def test_a_policy_that_a_guard_has_marked_in_this_build_is_told():
    guard = {"message": "KL passed the limit"}
    records = [
        *whole_build(),
        task("train_policy", "0.5 0.5", result={**TRAINED, "weights": [0.5, 0.5], "guard": guard}),
        task("train_policy", "0.2 0.8", result={**TRAINED, "weights": [0.2, 0.8], "guard": guard, "reused": True}),
    ]
    outcome = describe_outcome("small", "run-1", records, only_if_changed=False)
    assert outcome["policies"]["marked"] == ["0.500 0.500"]
    assert "1 marked by a guard" in outcome_markdown(outcome)


def test_a_run_without_any_record_has_failed():
    outcome = describe_outcome("small", "run-1", [], only_if_changed=True)
    assert outcome["state"] == "failed" and outcome["headline"].endswith("at a task that never started")


def trained(label, **more):
    return task("train_policy", label, result=TRAINED, attempts=4, **more)


def test_what_kubeflow_could_not_record_is_no_task_that_never_started():
    """Its launcher failed after each of the trainings, at every attempt."""
    records = [task("design_grid"), *(trained(label, again=3) for label in ("1 0", "0 1", "0.5 0.5"))]
    outcome = describe_outcome("small", "run-1", records, only_if_changed=False)
    assert outcome["headline"] == "small: the build failed at train_policy 1 0 (and 2 more)"
    assert {failure["error"] for failure in outcome["failures"]} == {
        "trained, but Kubeflow could not record its result"
    }
    assert outcome["policies"]["failed"] == [] and len(outcome["policies"]["trained"]) == 3
    assert "never started" not in outcome_markdown(outcome)


def test_what_the_records_cannot_know_is_not_claimed():
    """A pod that was lost once after its work; then nothing else started."""
    records = [task("design_grid"), trained("1 0", again=1), trained("0 1", started=1.0)]
    outcome = describe_outcome("small", "run-1", records, only_if_changed=False)
    assert outcome["headline"] == "small: the build failed after train_policy 0 1"
    (failure,) = outcome["failures"]
    assert failure["error"].startswith(
        "finished, and nothing after it has started: Kubeflow could not record its result"
    )
    assert outcome["policies"]["failed"] == []


def test_a_policy_that_the_build_could_do_without_did_not_end_it():
    records = [task("train_policy", "0 1", "failed", error="loss is not a number"), trained("1 0", again=3)]
    outcome = describe_outcome("small", "run-1", records, only_if_changed=False)
    assert outcome["headline"].endswith("the build failed at train_policy 1 0 (and 1 more)")
    assert outcome["policies"]["failed"] == ["0 1"]


def test_a_policy_found_finished_again_for_another_of_its_group_did_not_end_it():
    failed = task("train_policy", "0 1", "failed", error="no memory", attempt=4)
    records = [trained("1 0", again=3), failed]
    outcome = describe_outcome("small", "run-1", records, only_if_changed=False)
    assert outcome["headline"] == "small: the build failed at train_policy 0 1"


def test_a_failed_policy_does_not_hide_what_failed_after_the_selection():
    records = [
        task("train_policy", "0 1", "failed", error="loss is not a number"),
        task("select_portfolio"),
        task("register_portfolio", "", "failed", error="MLflow is down"),
    ]
    outcome = describe_outcome("small", "run-1", records, only_if_changed=False)
    assert outcome["headline"] == "small: the build failed at register_portfolio (and 1 more)"


@pytest.mark.parametrize("home", ["folder", "s3"])
def test_a_failure_is_told_in_the_file_the_storage_and_mlflow(config, tmp_path, monkeypatch, request, home):
    if home == "s3":
        request.getfixturevalue("s3")
        config = config.model_copy(update={"storage": config.storage.model_copy(update={"root": "s3://palm/store"})})
    monkeypatch.setenv(BUILD_VARIABLE, "run-1")
    root = config.storage.root
    with recorded(root, "train_policy", "1 0") as result:
        result.update(TRAINED)
    for attempt in range(2):
        with pytest.raises(PreemptedError), recorded(root, "train_policy", "0.5 0.5"):
            raise PreemptedError("policy-2", rule=f"was stopped | time {attempt}", remedy="run again")
    with pytest.raises(TrainingError), recorded(root, "train_policy", "0 1"):
        raise TrainingError("policy-3", rule="loss is not a number", remedy="lower training.learning_rate")
    outcome = record_outcome(config, "run-1", tmp_path / "outcome.md", tmp_path / "page.html", only_if_changed=False)
    text = (tmp_path / "outcome.md").read_text()
    assert "| train_policy | 0 1 | 1 | policy-3: loss is not a number; lower training.learning_rate |" in text
    assert "| train_policy | 0.5 0.5 | 2 | policy-2: was stopped \\| time 1; run again |" in text
    assert "1 trained, 0 reused, 2 failed" in text and "the next run reuses it" in text
    assert Records(root).read("builds/run-1/build")["model"] == config.registry.model
    kept = Records(root).read("builds/run-1/outcome")
    assert kept.pop("ended") > 0 and kept == outcome
    mlflow.set_tracking_uri(config.registry.tracking_uri)
    (run,) = mlflow.search_runs(experiment_names=["small"], output_format="list")
    assert run.info.status == "FAILED" and run.data.tags["mlflow.note.content"] == text
    assert Path(tmp_path / "outcome.md").exists()
