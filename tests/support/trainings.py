"""A workspace with base model and reference rollouts, made once; each test gets a copy."""

import shutil
from pathlib import Path

import pytest
from support.made_once import made_once
from support.workspace import edit_config, make_workspace

from palm.artifacts.policy import Policy
from palm.config.load import load_config
from palm.steps.prepare_base_model import prepare_base_model
from palm.steps.sample_reference import sample_reference
from palm.steps.train_policy import train_policy


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    """Many rollouts, since the workspace has only eight prompts."""
    return made_once(tmp_path_factory, "prepared", _prepare)


def _prepare(folder: Path) -> None:
    make_workspace(folder)
    config = load_config(edit_config(folder, reference={"samples_per_prompt": 256}))
    prepare_base_model(config, folder / "base")
    sample_reference(config, folder / "base", folder / "rollouts")
    shutil.rmtree(folder / "store")


@pytest.fixture
def built(prepared, tmp_path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "workspace"))


def train(workspace: Path, name: str, weights=(1.0, 0.0), **changes) -> Policy:
    """Train a policy in a workspace, into the folder of that name, after some changes of the configuration."""
    config = load_config(edit_config(workspace, **changes) if changes else workspace / "portfolio.yaml")
    inputs = {"base_model": workspace / "base", "rollouts": workspace / "rollouts"}
    return train_policy(config, list(weights), **inputs, destination=workspace / name)


def resample(workspace: Path, **changes) -> None:
    config = load_config(edit_config(workspace, **changes))
    shutil.rmtree(workspace / "rollouts")
    sample_reference(config, workspace / "base", workspace / "rollouts")


def add_late_reward(workspace: Path, *, fails_with: int) -> None:
    """Replace the second reward by one that fails only in training, where it scores that many responses at once."""
    rewards = workspace / "rewards.py"
    rewards.write_text(
        rewards.read_text() + "\ndef late(prompts, responses, **fields):\n"
        f"    return [None if len(responses) == {fails_with} else 0.5 for _ in responses]\n"
    )
    resample(workspace, rewards=[{"name": name, "uri": f"python:rewards.py:{name}"} for name in ("length", "late")])


@pytest.fixture
def trained(built):
    def train_built(name: str, weights=(1.0, 0.0), **changes) -> tuple[Policy, Path]:
        return train(built, name, weights, **changes), built / name

    return train_built
