"""The outcome of a build, made from the records of its tasks."""

import pytest
from markdown_it import MarkdownIt

from palm.builds.outcome import make_outcome, outcome_markdown, read_outcome, write_outcome
from palm.builds.records import TaskRecord
from palm.errors import DamagedError
from palm.storage.records import Records

TRAINED = {"policy": "policy-1", "reused": False, "start": None, "device_seconds": 30.0, "guard": None}
SPENT = {"continued": [], "device_seconds": 30.0, "device_seconds_saved": 60.0}
NONE = dict.fromkeys(("trained", "continued", "reused", "marked", "failed", "not_started"), ())


def task(step, label="", state="succeeded", started=0.0, **more) -> TaskRecord:
    return TaskRecord(step=step, label=label, state=state, started=started, **more)


def trained(weights=(1.0, 0.0), **more) -> TaskRecord:
    result = {"weights": weights, **{key: more.pop(key, default) for key, default in TRAINED.items()}}
    return task("train_policy", " ".join(map(str, weights)), weights=weights, result=result, **more)


def untrained(weights, state="failed", **more) -> TaskRecord:
    return task("train_policy", " ".join(map(str, weights)), state, weights=weights, **more)


def outcome_of(*records, only_if_changed=False):
    return make_outcome("small", "run-1", list(records), ended=5.0, only_if_changed=only_if_changed)


def whole_build(promoted=True) -> list[TaskRecord]:
    return [
        task("detect_change", result={"changed": True, "lines": ["beta: 0.1 → 0.2"]}),
        trained(),
        trained((0, 1), reused=True),
        task("promote_portfolio", result={"promoted": promoted, "reason": "gap 0.1", "version": "3"}),
        task("report", result={"trained": ["1.000 0.000"], "reused": ["0 1", "0.5 0.5"], **SPENT}),
    ]


@pytest.mark.parametrize(("promoted", "state"), [(True, "promoted"), (False, "refused")])
def test_a_finished_build_has_the_gates_verdict(promoted, state):
    outcome = outcome_of(*whole_build(promoted), only_if_changed=True)
    assert outcome.state == state and "version 3" in outcome.headline and "gap 0.1" in outcome.headline
    assert outcome.changes == ("beta: 0.1 → 0.2",) and outcome.failures == ()
    # KFP's cache may have answered for a policy, which then has no record.
    assert outcome.policies.model_dump() == NONE | {"trained": ("1.000 0.000",), "reused": ("0 1", "0.5 0.5")}
    assert (outcome.device_seconds, outcome.device_seconds_saved) == (30.0, 60.0)
    assert "30 device-seconds of training, 60 saved" in outcome_markdown(outcome)


def test_unchanged_is_an_outcome_only_if_the_pipeline_may_skip_the_build():
    record = task("detect_change", result={"changed": False, "lines": []})
    assert outcome_of(record, only_if_changed=True).state == "unchanged"
    outcome = outcome_of(record)
    assert outcome.state == "failed" and outcome.headline.endswith("the build failed after detect_change")


def test_failed_and_vanished_tasks_are_named_with_their_reasons():
    outcome = outcome_of(
        *whole_build()[:2],
        task("design_grid", result={"weights": [[1, 0], [0, 1], [0.5, 0.5], [0.25, 0.75]]}),
        untrained((0, 1), error="loss is not a number", retry_may_help=False),
        untrained((0.5, 0.5), "running"),
    )
    assert outcome.state == "failed" and outcome.headline.endswith("train_policy 0 1 (and 1 more)")
    first, second = outcome.failures
    assert (first.label, first.error) == ("0 1", "loss is not a number")
    assert second.label == "0.5 0.5" and "without reporting why" in second.error
    assert outcome.policies.model_dump() == NONE | {
        "trained": ("1.000 0.000",),
        "failed": ("0 1", "0.5 0.5"),
        "not_started": ("0.250 0.750",),
    }
    assert "1 not started" in outcome_markdown(outcome)


@pytest.mark.parametrize("begun", [trained, untrained])
def test_policies_whose_weights_look_alike_are_counted_apart(begun):
    """Two vectors have the label "0.333 0.667"; the training of one of them started."""
    alike = [(0.33325, 0.66675), (0.3334, 0.6666)]
    outcome = outcome_of(task("design_grid", result={"weights": alike}), begun(alike[0], error=""))
    assert outcome.policies.not_started == ("0.333 0.667",)


def test_a_policy_that_a_guard_marked_in_this_build_is_counted():
    guard = {"message": "KL passed the limit"}
    marked = (trained((0.5, 0.5), guard=guard), trained((0.2, 0.8), guard=guard, reused=True))
    outcome = outcome_of(*whole_build(), *marked)
    assert outcome.policies.marked == ("0.500 0.500",)
    assert "1 marked by a guard" in outcome_markdown(outcome)


def test_a_run_without_any_record_has_failed():
    outcome = outcome_of(only_if_changed=True)
    assert outcome.state == "failed" and outcome.headline.endswith("at a task that never started")


def test_results_that_kubeflow_could_not_record_are_failures_of_finished_trainings():
    """Its launcher failed after each of the trainings, at every attempt."""
    vectors = ((1, 0), (0, 1), (0.5, 0.5))
    outcome = outcome_of(task("design_grid"), *(trained(vector, attempts=4, again=3) for vector in vectors))
    assert outcome.headline == "small: the build failed at train_policy 1 0 (and 2 more)"
    assert {failure.error for failure in outcome.failures} == {"trained, but Kubeflow could not record its result"}
    assert {failure.attempt for failure in outcome.failures} == {4}
    assert outcome.policies.failed == () and len(outcome.policies.trained) == 3
    assert "not started" not in outcome_markdown(outcome)


def test_a_lost_pod_after_finished_work_is_not_a_certain_cause():
    """A pod that was lost once after its work; then nothing else started."""
    records = (trained((1, 0), attempts=4, again=1), trained((0, 1), attempts=4, started=1.0))
    outcome = outcome_of(task("design_grid"), *records)
    assert outcome.headline == "small: the build failed after train_policy 0 1"
    (failure,) = outcome.failures
    assert failure.error.startswith("finished, but no task after it started: Kubeflow could not record its result")
    assert outcome.policies.failed == ()


def test_a_failed_policy_that_the_build_could_do_without_is_not_its_cause():
    outcome = outcome_of(untrained((0, 1), error="loss is not a number"), trained((1, 0), attempts=4, again=3))
    assert outcome.headline.endswith("the build failed at train_policy 1 0 (and 1 more)")
    assert outcome.policies.failed == ("0 1",)


def test_a_policy_found_finished_again_for_another_of_its_group_is_not_the_cause():
    outcome = outcome_of(trained((1, 0), attempts=4, again=3), untrained((0, 1), error="no memory", attempt=4))
    assert outcome.headline == "small: the build failed at train_policy 0 1"


def test_a_failed_policy_does_not_hide_a_failure_after_the_selection():
    outcome = outcome_of(
        untrained((0, 1), error="loss is not a number"),
        task("select_portfolio"),
        task("register_portfolio", "", "failed", error="MLflow is down"),
    )
    assert outcome.headline == "small: the build failed at register_portfolio (and 1 more)"


def test_an_outcome_of_an_older_palm_is_read_and_anything_else_is_refused_in_one_line(root):
    outcome = outcome_of(*whole_build())
    write_outcome(root, outcome)
    assert read_outcome(root, "run-1") == outcome and read_outcome(root, "run-2") is None
    records, name = Records(root), "builds/run-1/outcome"
    content = records.read(name)
    assert content.pop("schema_version") == 1
    del content["policies"]["marked"]
    records.write(name, content)
    assert read_outcome(root, "run-1").policies.marked is None
    for field, value in (("schema_version", 2), ("state", "odd"), ("policies", 3)):
        records.write(name, {**content, field: value})
        with pytest.raises(DamagedError, match=rf"outcome.json: is not a record of type Outcome \({field}: .*; delete"):
            read_outcome(root, "run-1")


EVIL = [
    "</td><script>alert(1)</script><img src=x onerror=alert(2)>",
    "[log in again](https://evil.example) ![](https://evil.example/x.png) <https://evil.example>",
    "`` ` ``` | a | b \\| \\` <b>",
    "a\n\n# heading\n\n<b>\n- item\n[x]: https://evil.example\n[x]",
    "https://evil.example www.evil.example &lt;b&gt; ~~gone~~ **bold**",
]


@pytest.mark.parametrize("text", EVIL)
def test_errors_and_names_are_shown_as_they_are_and_mark_nothing_up(text):
    """An error may quote what a model has answered; MLflow and KFP render the file."""
    outcome = outcome_of(
        task("detect_change", result={"changed": True, "lines": [text]}),
        task("evaluate_policies", text, "failed", error=f"reward 'safety' gave 2.0 for {text!r}: {text}"),
    ).model_copy(update={"headline": text})
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = [part for token in parser.parse(outcome_markdown(outcome)) for part in [token, *(token.children or ())]]
    kinds = [token.type for token in tokens]
    assert not {"html_block", "html_inline", "link_open", "image", "strong_open", "s_open"} & set(kinds)
    assert kinds.count("heading_open") == 1 and kinds.count("list_item_open") == 1
    assert kinds.count("tr_open") == 2 and kinds.count("td_open") == 4
    shown = " ".join(text.split())
    heading = "".join(part.content for part in tokens[kinds.index("heading_open") + 1].children)
    assert heading == shown
    codes = [token.content for token in tokens if token.type == "code_inline"]
    assert codes[0] == shown and codes[1].endswith(shown)
    # No address that readers make a link of without being asked.
    outside = [token.content for token in tokens if token.type == "text"]
    assert not any("://" in part and "\\" in part for part in outside)
