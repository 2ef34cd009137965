"""The component design_grid in a pipeline of its own, against a real MLflow."""

from pathlib import Path
from typing import NamedTuple

from kfp import dsl
from support.mini_pipeline import run_locally

from palm.builds.training_groups import read_work
from palm.components.design_grid.component import design_grid
from palm.config.load import parse_config
from palm.steps.design_grid import FILE as DESIGN
from palm.storage.files import read_json

Designed = NamedTuple("Designed", plan=dsl.Dataset, metrics=dsl.Metrics, groups=list, config=str)


def designed(build, config: str, folder) -> tuple[Path, dict, list[str]]:
    """The plan's folder, what the UI shows, and the groups."""

    @dsl.pipeline
    def alone() -> Designed:
        task = design_grid(config=config, **build.reference)
        return Designed(task.outputs["plan"], task.outputs["metrics"], task.outputs["Output"], task.outputs["config"])

    made = run_locally(alone, folder)
    assert {made["config"], *(entry["config"] for entry in made["groups"])} == {config}
    return Path(made["plan"].path), made["metrics"].metadata, [entry["group"] for entry in made["groups"]]


def test_keeps_what_the_champion_has_and_measures_it_for_the_gate(build, tmp_path):
    plan, shown, groups = designed(build, build.config.to_json(), tmp_path)
    assert read_json(plan / DESIGN) == read_json(build.design)
    names, champion = [entry["policy"] for entry in build.trained], read_json(build.registration)["version"]
    work = read_work(plan)
    assert groups == list(work.groups) == ["1: 0.000 1.000", "2: 0.500 0.500", "3: 1.000 0.000"]
    assert {"base_model": work.base_model, "rollouts": work.rollouts} == build.reference
    trainings = [training for group in work.groups.values() for training in group]
    assert trainings == [
        {"weights": weights, "keep": name, "start": ""} for weights, name in zip(build.weights, names, strict=True)
    ]
    assert shown == {"kept": 3, "continued": 0, "anew": 0}
    planned = read_json(plan / "plan.json")
    assert planned["trainings"] == trainings and planned["from_version"] == champion
    assert sorted(planned["earlier"]) == sorted(names)
    assert read_json(plan / "champion.json") == {
        "version": champion,
        "members": read_json(build.selection)["portfolio"],
        "incomparable": "",
    }
    for name, evaluation in zip(names, build.evaluations, strict=True):
        assert read_json(plan / "evaluations" / name / "evaluation.json") == read_json(evaluation / "evaluation.json")


def test_soups_have_their_corners_trained_before_groups_of_them_are(build, config, keep, tmp_path):
    keep(*build.reference.values())
    parsed = parse_config(config)
    training = parsed.training.model_copy(update={"backend": "soup", "together": 2})
    registry = parsed.registry.model_copy(update={"model": "soups"})
    changed = parsed.model_copy(update={"training": training, "registry": registry})
    plan, shown, groups = designed(build, changed.to_json(), tmp_path)
    assert groups == ["1-2: 0.000 1.000 … 0.500 0.500", "3: 1.000 0.000"]
    assert [training["weights"] for group in read_work(plan).groups.values() for training in group] == build.weights
    assert shown == {"kept": 0, "continued": 0, "anew": 3}
    records = [read_json(path) for path in Path(changed.storage.root).glob("policy-*/policy.json")]
    assert sorted((record["backend"], record["weights"]) for record in records) == [
        (backend, corner) for backend in ("rwr", "soup") for corner in ([0.0, 1.0], [1.0, 0.0])
    ]
