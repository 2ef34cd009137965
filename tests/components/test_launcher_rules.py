"""Local runs refuse task outputs that Kubeflow's launcher refuses."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kfp import dsl
from support.mini_pipeline import run_locally

from palm.components.authoring import write_metadata, write_metrics
from palm.components.launcher_rules import OUTPUT, check_executor_outputs, problems
from palm.errors import BuildError, DataError

ALLOWED = st.recursive(
    st.text() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAN, INFINITY = float("nan"), float("inf")


@dsl.component(base_image="image", install_kfp_package=False)
def own(answer: dsl.Output[dsl.Artifact], kind: str) -> str:
    """A component of one's own, which says something of its artifact."""
    answer.metadata.update({"none": {"start": None}, "inside": {"starts": [None], "of": {"a": None}}}[kind])
    return kind


def output(metadata: str, value: str = '"x"') -> str:
    artifacts = f'{{"answer": {{"artifacts": [{{"metadata": {metadata}}}]}}}}'
    return f'{{"artifacts": {artifacts}, "parameterValues": {{"Output": {value}}}}}'


@pytest.mark.parametrize("kind", ["none", "inside"])
def test_a_component_of_ones_own_that_writes_none_fails_where_it_is_run(tmp_path, kind):
    @dsl.pipeline
    def alone() -> str:
        return own(kind=kind).outputs["Output"]

    if kind == "inside":
        assert run_locally(alone, tmp_path) == {"Output": kind}
        return
    with pytest.raises(BuildError) as error:
        run_locally(alone, tmp_path)
    assert str(error.value).startswith("task own: metadata start=None of answer: is refused by Kubeflow's launcher")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (output('{"loss": NaN}'), "NaN is no number"),
        (output('{"loss": [-Infinity]}'), "-Infinity is no number"),
        (output("{}", "null"), "output parameter Output=None"),
        (output('{"a": 1, "b": null}'), "metadata b=None of answer"),
        ('{"artifacts": ', "executor_output.json is not JSON"),
    ],
)
def test_what_the_launcher_refuses(tmp_path, text, message):
    (problem,) = problems(text)
    assert message in problem
    place = tmp_path / "run" / "train-policies"
    place.mkdir(parents=True)
    (place / OUTPUT).write_text(text)
    with pytest.raises(BuildError, match="task train-policies: "):
        check_executor_outputs(tmp_path)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z]\w{0,8}", fullmatch=True), ALLOWED))
def test_what_may_be_written_passes(values):
    artifact = dsl.Artifact(name="answer")
    write_metadata(artifact, **values)
    assert artifact.metadata == values
    assert list(problems(output(json.dumps(artifact.metadata)))) == []


@pytest.mark.parametrize(
    "value",
    [None, NAN, INFINITY, [None], {"a": {"b": [1, None]}}, [NAN], {1: "a"}, (1, 2), {1, 2}, object, b"bytes"],
    ids=repr,
)
def test_anything_else_is_refused_before_it_is_written(value):
    artifact = dsl.Artifact(name="answer", metadata={"kept": 1})
    with pytest.raises(DataError, match="metadata start=.* of answer: must be a string, a finite number"):
        write_metadata(artifact, first="fine", start=value)
    assert artifact.metadata == {"kept": 1}


@pytest.mark.parametrize("value", [None, NAN, -INFINITY, True, "1", [1.0]], ids=repr)
def test_metrics_are_finite_numbers(value):
    metrics = dsl.Metrics(name="metrics")
    with pytest.raises(DataError, match="metric loss=.*: must be a finite number"):
        write_metrics(metrics, steps=3, loss=value)
    assert "loss" not in metrics.metadata
    write_metrics(metrics, steps=3, loss=0.5)
    assert metrics.metadata == {"steps": 3.0, "loss": 0.5}
