"""A build made by the library, which the components are compared with."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import edit_config, make_workspace

from palm.config import PortfolioConfig
from palm.config_file import load_config
from palm.stages.design_grid import design_grid
from palm.stages.evaluate_policy import evaluate_policies
from palm.stages.plan_training import plan_training
from palm.stages.prepare_base_model import prepare_base_model
from palm.stages.promote_portfolio import promote_portfolio
from palm.stages.register_portfolio import register_portfolio
from palm.stages.report import report
from palm.stages.sample_reference import sample_reference
from palm.stages.select_portfolio import select_portfolio
from palm.stages.snapshot import take_snapshot
from palm.stages.train_policy import train_policy


@dataclass(frozen=True)
class Build:
    """Files and folders of a build, named as the components name them."""

    config: PortfolioConfig
    folder: Path
    weights: list[list[float]]
    policies: list[Path]
    evaluations: list[Path]

    def __getattr__(self, name: str) -> Path:
        """A file or folder of the build."""
        return self.folder / name


@pytest.fixture(scope="session")
def build(tmp_path_factory) -> Build:
    """Two rewards, three policies, registered and promoted; MLflow's database is there for others to use."""
    folder = make_workspace(tmp_path_factory.mktemp("build"))
    # One policy of three, so that its worst-case gap is not 0.
    changes = {"training__backend": "rwr", "training__rwr": {"learning_rate": 0.003}, "selection__size": 1}
    config = load_config(edit_config(folder, **changes))
    prepare_base_model(config, folder / "base_model")
    sample_reference(config, folder / "base_model", folder / "rollouts")
    weights = design_grid(config, folder / "rollouts", folder / "design")["weights"]
    trained_from = {"base_model": folder / "base_model", "rollouts": folder / "rollouts"}
    plan_training(config, design=folder / "design", destination=folder / "plan", **trained_from)
    policies = [folder / f"policy{index}" for index in range(len(weights))]
    evaluations = [folder / f"evaluation{index}" for index in range(len(weights))]
    for vector, policy in zip(weights, policies, strict=True):
        train_policy(config, vector, destination=policy, **trained_from)
    evaluate_policies(config, policies=policies, destinations=evaluations, **trained_from)
    select_portfolio(config, evaluations, folder / "selection", plan=folder / "plan")
    register_portfolio(
        config,
        "library",
        json.dumps(take_snapshot(config)),
        policies=policies,
        base_model=folder / "base_model",
        design=folder / "design",
        selection=folder / "selection",
        destination=folder / "registration",
        plan=folder / "plan",
    )
    judged = {
        "registration": folder / "registration",
        "selection": folder / "selection",
        "evaluations": evaluations,
        "plan": folder / "plan",
    }
    promote_portfolio(config, "library", destination=folder / "verdict", page=folder / "gate", **judged)
    report(
        config,
        "library",
        design=folder / "design",
        rollouts=folder / "rollouts",
        policies=policies,
        verdict=folder / "verdict",
        page=folder / "page",
        summary=folder / "summary",
        **judged,
    )
    return Build(config, folder, weights, policies, evaluations)


@pytest.fixture
def config(build, tmp_path) -> str:
    """The build's configuration with an empty store: nothing that the library made is there to be reused."""
    storage = build.config.storage.model_copy(update={"root": str(tmp_path / "store")})
    return build.config.model_copy(update={"storage": storage}).to_json()
