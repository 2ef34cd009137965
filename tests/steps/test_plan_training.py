"""Plan of a build: reuse, fine-tune or train each policy, against a real MLflow."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from palm.artifacts.plan import Champion, Plan, Planned
from palm.artifacts.policy import Policy
from palm.builds.rebuild.snapshot import take_snapshot
from palm.builds.records import BUILD_VARIABLE
from palm.promotion.entry import PROMOTION
from palm.promotion.log import PromotionLog
from palm.steps.plan_training import plan_training


@pytest.fixture
def later(build, tmp_path):
    """The build's configuration with a registry of its own, in which more can happen."""
    shutil.copyfile(build.folder / "mlflow.db", tmp_path / "mlflow.db")
    registry = build.config.registry.model_copy(update={"tracking_uri": f"sqlite:///{tmp_path}/mlflow.db"})
    return build.config.model_copy(update={"registry": registry})


def planned(config, build, destination: Path, snapshot: str = "") -> Planned:
    inputs = {"base_model": build.base_model, "rollouts": build.rollouts, "design": build.design}
    return plan_training(config, snapshot, **inputs, destination=destination)


def test_a_champion_of_which_nothing_is_recorded_is_named_to_the_gate(build, later, tmp_path):
    uri, model = later.registry.tracking_uri, later.registry.model
    client = mlflow.MlflowClient(uri, uri)
    version = client.create_model_version(model, source="palm:/by-hand", await_creation_for=0).version
    log = PromotionLog(client, model)
    seen = log.tail()
    log.append(seen, before=seen.head.after, after=str(version), kind=PROMOTION, why="by hand", who="a person")
    planned(later, build, tmp_path / "plan")
    plan = Plan.read(tmp_path / "plan")
    assert plan.earlier == () and plan.from_version is None
    assert Champion.read(tmp_path / "plan") == Champion(
        version=str(version), incomparable="nothing is recorded of its policies"
    )


def test_earlier_champions_of_the_baseline_are_measured_too(build, later, tmp_path):
    uri, model = later.registry.tracking_uri, later.registry.model
    client = mlflow.MlflowClient(uri, uri)
    log = PromotionLog(client, model)
    seen = log.tail()
    gone = str(client.create_model_version(model, source="palm:/deleted", await_creation_for=0).version)
    newest = client.create_model_version(model, source="palm:/by-hand", await_creation_for=0).version
    log.append(
        seen,
        before=seen.head.after,
        after=str(newest),
        kind=PROMOTION,
        why="by hand",
        who="a person",
        baseline=(seen.head.after, gone),
    )
    client.delete_model_version(model, gone)
    planned(later, build, tmp_path / "plan")
    measured, deleted = Champion.read(tmp_path / "plan").baseline
    assert measured.version == seen.head.after and not measured.incomparable and measured.members
    assert all((tmp_path / "plan" / "evaluations" / name / "evaluation.json").exists() for name in measured.members)
    assert (deleted.version, deleted.incomparable) == (gone, "nothing is recorded of its policies")


def made_by_hand(client, log: PromotionLog, baseline: tuple[str, ...]) -> None:
    """Another champion, made by hand, with a baseline."""
    seen = log.tail()
    after = client.create_model_version(log.name.removesuffix("-promotions"), source="palm:/by-hand").version
    change = {"before": seen.head.after, "after": str(after), "kind": PROMOTION, "why": "by hand", "who": "a person"}
    log.append(seen, **change, baseline=baseline)


@pytest.mark.parametrize("lost", ["its files", "the run of its build"])
def test_an_earlier_champion_of_which_something_is_lost_is_named_to_the_gate(build, later, tmp_path, lost):
    uri, model = later.registry.tracking_uri, later.registry.model
    client = mlflow.MlflowClient(uri, uri)
    log = PromotionLog(client, model)
    earlier = client.get_model_version(model, log.tail().head.after)
    if lost == "its files":
        # A version with the record of a build, and neither files nor policies in the storage.
        source = (tmp_path / "removed").as_uri()
        later = later.model_copy(update={"storage": later.storage.model_copy(update={"root": str(tmp_path / "store")})})
        run = earlier.run_id
    else:
        source, run = "palm:/by-hand", client.create_run("0").info.run_id
    version = client.create_model_version(model, source=source, run_id=run, await_creation_for=0).version
    if lost != "its files":
        client.delete_run(run)
        gc = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", uri, "--run-ids", run]
        subprocess.run(gc, env={**os.environ, "MLFLOW_TRACKING_URI": uri}, check=True, capture_output=True)
    made_by_hand(client, log, (str(version),))
    planned(later, build, tmp_path / "plan")
    (found,) = Champion.read(tmp_path / "plan").baseline
    reason = "has no files any more" if lost == "its files" else "nothing is recorded of its policies"
    assert found.version == str(version) and reason in found.incomparable


@pytest.mark.parametrize(("rebuild", "adopted"), [({}, True), ({"from_champion": False}, False), ({"steps": 1}, False)])
def test_a_plan_is_adopted_for_the_same_inputs_and_settings_of_rebuilds(build, later, tmp_path, rebuild, adopted):
    config = later.model_copy(update={"rebuild": later.rebuild.model_copy(update=rebuild)})
    planned(config, build, tmp_path / "plan", snapshot=json.dumps(take_snapshot(build.config)))
    plan = Plan.read(tmp_path / "plan")
    assert (plan == Plan.read(build.plan)) == adopted
    assert plan.rebuild == config.rebuild.model_dump()


def test_what_a_plan_finds_in_the_storage_is_marked_as_used(build, later, tmp_path, monkeypatch):
    monkeypatch.setenv(BUILD_VARIABLE, tmp_path.name)
    fresh = later.model_copy(update={"rebuild": later.rebuild.model_copy(update={"from_champion": False})})
    plan = planned(fresh, build, tmp_path / "plan")
    found = {Policy.read(path).policy for path in build.policies}
    used = Path(build.config.storage.root) / "builds" / tmp_path.name / "uses"
    assert plan.kept == 3 and {path.stem for path in used.glob("policy-*")} >= found
