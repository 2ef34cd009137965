"""The component select_portfolio in a pipeline of its own."""

from typing import NamedTuple

import pytest
from kfp import dsl
from support.mini_pipeline import content, given, run_locally

from palm.builds.records import BUILD_VARIABLE, task_records
from palm.components.select_portfolio.component import select_portfolio
from palm.config.load import parse_config
from palm.storage.files import read_json

Selected = NamedTuple("Selected", selection=dsl.Artifact, metrics=dsl.Metrics)


def selected(build, config: str, groups: list[list[dict]], folder) -> tuple[dict, dict]:
    @dsl.pipeline
    def alone(evaluations: list) -> Selected:
        task = select_portfolio(config=config, plan=given(dsl.Dataset, build.plan), evaluations=evaluations)
        return Selected(task.outputs["selection"], task.outputs["metrics"])

    made = run_locally(alone, folder, evaluations=groups)
    return content(made["selection"]), made["metrics"].metadata


def test_selects_what_the_library_selects(build, config, keep, tmp_path):
    keep(*(entry["evaluation"] for entry in build.measured))
    first, second, third = build.measured
    made, metrics = selected(build, config, [[first, second], [third]], tmp_path / "run")
    expected = read_json(build.selection)
    assert made == expected
    assert len(expected["portfolio"]) == 1 and len(expected["policies"]) == 3
    assert 0 < expected["epsilon"] != expected["additive_gap"]
    figures = {name: expected[name] for name in ("epsilon", "epsilon_bound", "additive_gap")}
    assert metrics == {**figures, "portfolio_size": 1, "policies": 3, "missing": 0}


def test_a_failed_policy_is_named_and_too_many_of_them_end_the_build(build, config, keep, tmp_path, monkeypatch):
    monkeypatch.setenv(BUILD_VARIABLE, "component")
    keep(*(entry["evaluation"] for entry in build.measured))
    first, _, third = build.measured
    groups = [[first, {"weights": build.weights[1], "error": "loss: is not a number"}], [third]]
    with pytest.raises(RuntimeError, match="select-portfolio"):
        selected(build, config, groups, tmp_path / "strict")
    parsed = parse_config(config)
    (record,) = task_records(parsed.storage.root, "component")
    assert "2 of 3 policies: are too few, training.min_policies is 3: " in record.error
    assert "train_policy 0.500 0.500 failed: loss: is not a number" in record.error
    monkeypatch.setenv(BUILD_VARIABLE, "lenient")
    training = parsed.training.model_copy(update={"min_policies": 2})
    lenient = parsed.model_copy(update={"training": training}).to_json()
    made, metrics = selected(build, lenient, groups, tmp_path / "lenient")
    assert made["missing"] == [{"weights": [0.5, 0.5], "error": "loss: is not a number"}]
    assert made["min_policies"] == 2
    assert [record["weights"] for record in made["policies"]] == [build.weights[0], build.weights[2]]
    assert made["evaluations"] == {entry["policy"]: entry["evaluation"] for entry in (first, third)}
    assert (metrics["policies"], metrics["missing"]) == (2, 1)
