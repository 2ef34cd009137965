"""A small build made by the library step by step, without a pipeline: what pipelines are compared with."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from support.workspace import edit_config, make_workspace

from palm.artifacts.design import Design
from palm.artifacts.evaluation import Evaluation
from palm.artifacts.plan import Plan, Work
from palm.artifacts.selection import Selection
from palm.builds.rebuild.snapshot import take_snapshot
from palm.builds.training_groups import grouped
from palm.config.load import load_config
from palm.config.portfolio import PortfolioConfig
from palm.steps.design_grid import design_grid
from palm.steps.evaluate_policies import evaluate_policies
from palm.steps.plan_training import plan_training
from palm.steps.prepare_base_model import prepare_base_model
from palm.steps.promote_portfolio import promote_portfolio
from palm.steps.register_portfolio import register_portfolio
from palm.steps.report import report
from palm.steps.sample_reference import sample_reference
from palm.steps.select_portfolio import select_portfolio
from palm.steps.train_policy import train_policy


@dataclass(frozen=True)
class Build:
    """Files and folders of a build, named as the components name them, and names of entries in its store."""

    config: PortfolioConfig
    folder: Path
    weights: list[list[float]]
    policies: list[Path]
    evaluations: list[Path]
    reference: dict[str, str]
    measured: list[dict]

    def __getattr__(self, name: str) -> Path:
        return self.folder / name

    @property
    def trained(self) -> list[dict]:
        """What train_policies gives of all policies."""
        return [
            {"policy": entry["policy"], "weights": vector, "error": ""}
            for entry, vector in zip(self.measured, self.weights, strict=True)
        ]


def make_build(folder: Path) -> None:
    """Two rewards, three policies, registered and promoted; MLflow's database is there for others to use."""
    make_workspace(folder)
    # One policy of three, so that its worst-case gap is not 0.
    changes = {"training__backend": "rwr", "training__rwr": {"learning_rate": 0.003}, "selection__size": 1}
    config = load_config(edit_config(folder, **changes))
    reference = {
        "base_model": prepare_base_model(config, folder / "base_model"),
        "rollouts": sample_reference(config, folder / "base_model", folder / "rollouts"),
    }
    weights = [list(vector) for vector in design_grid(config, folder / "rollouts", folder / "design").weights]

    def places(*names: str) -> dict[str, Path]:
        return {name: folder / name for name in names}

    trained_from = places("base_model", "rollouts")
    plan_training(config, design=folder / "design", destination=folder / "plan", **trained_from)
    shutil.copyfile(folder / "design", folder / "plan" / Design.FILE)
    Work(**reference, groups=grouped(Plan.read(folder / "plan").trainings, None)).write(folder / "plan")
    policies = [folder / f"policy{index}" for index in range(len(weights))]
    evaluations = [folder / f"evaluation{index}" for index in range(len(weights))]
    for vector, policy in zip(weights, policies, strict=True):
        train_policy(config, vector, destination=policy, **trained_from)
    entries = evaluate_policies(config, policies=policies, destinations=evaluations, **trained_from)
    names = [Evaluation.read(evaluation).policy for evaluation in evaluations]
    chosen = select_portfolio(config, evaluations=evaluations, destination=folder / "selection", plan=folder / "plan")
    chosen.model_copy(update={"evaluations": dict(zip(names, entries, strict=True))}).write(folder / "selection")
    snapshot = json.dumps(take_snapshot(config))
    inputs = places("base_model", "design", "selection", "plan")
    register_portfolio(config, "library", snapshot, policies=policies, destination=folder / "registration", **inputs)
    judged = {**places("registration", "selection", "plan"), "evaluations": evaluations}
    promote_portfolio(config, "library", destination=folder / "verdict", page=folder / "gate", **judged)
    pages = places("design", "rollouts", "verdict", "page", "summary")
    report(config, "library", policies=policies, **pages, **judged)


def read_build(folder: Path) -> Build:
    """The build that `make_build` has made."""
    weights = [list(vector) for vector in Design.read(folder / "design").weights]
    work, entries = Work.read(folder / "plan"), Selection.read(folder / "selection").evaluations
    return Build(
        config=load_config(folder / "portfolio.yaml"),
        folder=folder,
        weights=weights,
        policies=[folder / f"policy{index}" for index in range(len(weights))],
        evaluations=[folder / f"evaluation{index}" for index in range(len(weights))],
        reference={"base_model": work.base_model, "rollouts": work.rollouts},
        measured=[{"policy": name, "evaluation": entry} for name, entry in entries.items()],
    )
