"""The component plan_training in a pipeline of its own, against a real MLflow."""

from pathlib import Path
from typing import NamedTuple

from kfp import dsl
from mini_pipeline import given, run_locally

from components.plan_training.component import plan_training
from palm.storage.files import read_json

Planned = NamedTuple("Planned", plan=dsl.Dataset, metrics=dsl.Metrics, trainings=list)


def test_keeps_what_the_champion_has_and_measures_it_for_the_gate(build, tmp_path):
    @dsl.pipeline
    def alone() -> Planned:
        task = plan_training(
            config=build.config.to_json(),
            base_model=given(dsl.Model, build.base_model),
            rollouts=given(dsl.Dataset, build.rollouts),
            design=given(dsl.Artifact, build.design),
        )
        return Planned(task.outputs["plan"], task.outputs["metrics"], task.outputs["trainings"])

    made = run_locally(alone, tmp_path)
    folder, names = Path(made["plan"].path), [read_json(path / "policy.json")["policy"] for path in build.policies]
    champion = read_json(build.registration)["version"]
    assert made["trainings"] == [
        {"weights": weights, "keep": name, "start": ""} for weights, name in zip(build.weights, names, strict=True)
    ]
    assert made["metrics"].metadata == {"kept": 3, "continued": 0, "anew": 0}
    plan = read_json(folder / "plan.json")
    assert plan["trainings"] == made["trainings"] and plan["from_version"] == champion
    assert sorted(plan["earlier"]) == sorted(names)
    compared = read_json(folder / "champion.json")
    assert compared == {
        "version": champion,
        "members": read_json(build.selection)["portfolio"],
        "incomparable": "",
    }
    for name, evaluation in zip(names, build.evaluations, strict=True):
        assert read_json(folder / "evaluations" / name / "evaluation.json") == read_json(evaluation / "evaluation.json")
