"""The component design_grid in a pipeline of its own, against a real MLflow."""

from pathlib import Path
from typing import NamedTuple

from kfp import dsl
from support.mini_pipeline import run_locally

from palm.artifacts.design import Design
from palm.artifacts.evaluation import Evaluation
from palm.artifacts.plan import Champion, Plan, Training, Work
from palm.artifacts.policy import Policy
from palm.artifacts.selection import Selection
from palm.components.design_grid.component import design_grid
from palm.config.load import parse_config
from palm.storage.files import read_json

Designed = NamedTuple("Designed", plan=dsl.Dataset, metrics=dsl.Metrics, groups=list, config=str)


def designed(build, config: str, folder) -> tuple[Path, dict, list[str]]:
    @dsl.pipeline
    def alone() -> Designed:
        task = design_grid(config=config, **build.reference)
        return Designed(task.outputs["plan"], task.outputs["metrics"], task.outputs["Output"], task.outputs["config"])

    made = run_locally(alone, folder)
    assert {made["config"], *(entry["config"] for entry in made["groups"])} == {config}
    return Path(made["plan"].path), made["metrics"].metadata, [entry["group"] for entry in made["groups"]]


def test_keeps_what_the_champion_has_and_measures_it_for_the_gate(build, tmp_path):
    plan, shown, groups = designed(build, build.config.to_json(), tmp_path)
    assert Design.read(plan) == Design.read(build.design)
    names, champion = [entry["policy"] for entry in build.trained], read_json(build.registration)["version"]
    work = Work.read(plan)
    assert groups == [group.name for group in work.groups]
    assert groups == ["1: 0.000 1.000", "2: 0.500 0.500", "3: 1.000 0.000"]
    assert {"base_model": work.base_model, "rollouts": work.rollouts} == build.reference
    trainings = tuple(training for group in work.groups for training in group.trainings)
    pairs = zip(build.weights, names, strict=True)
    assert trainings == tuple(Training(weights=weights, keep=name) for weights, name in pairs)
    assert shown == {"kept": 3, "continued": 0, "from_base": 0}
    planned = Plan.read(plan)
    assert planned.trainings == trainings and planned.from_version == champion
    assert sorted(planned.earlier) == sorted(names)
    assert Champion.read(plan) == Champion(version=champion, members=Selection.read(build.selection).portfolio)
    for name, evaluation in zip(names, build.evaluations, strict=True):
        assert Evaluation.read(plan / "evaluations" / name) == Evaluation.read(evaluation)


def test_soups_have_their_corners_trained_before_groups_of_them_are(build, config, keep, tmp_path):
    keep(*build.reference.values())
    parsed = parse_config(config)
    training = parsed.training.model_copy(update={"backend": "soup", "together": 2})
    registry = parsed.registry.model_copy(update={"model": "soups"})
    changed = parsed.model_copy(update={"training": training, "registry": registry})
    plan, shown, groups = designed(build, changed.to_json(), tmp_path)
    assert groups == ["1-2: 0.000 1.000 … 0.500 0.500", "3: 1.000 0.000"]
    trainings = [training for group in Work.read(plan).groups for training in group.trainings]
    assert [list(training.weights) for training in trainings] == build.weights
    assert shown == {"kept": 0, "continued": 0, "from_base": 3}
    policies = [Policy.read(path) for path in Path(changed.storage.root).glob("policy-*/policy.json")]
    assert sorted((policy.backend, policy.weights) for policy in policies) == [
        (backend, corner) for backend in ("rwr", "soup") for corner in ((0.0, 1.0), (1.0, 0.0))
    ]
