"""A workspace with base model and reference rollouts, made once; each test gets a copy."""

import shutil
from pathlib import Path

import pytest
from support.workspace import edit_config, make_workspace

from palm.artifacts.policy import Policy
from palm.config.load import load_config
from palm.steps.prepare_base_model import prepare_base_model
from palm.steps.sample_reference import sample_reference
from palm.steps.train_policy import train_policy


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    """Many rollouts, since the workspace has only eight prompts."""
    folder = make_workspace(tmp_path_factory.mktemp("prepared"))
    config = load_config(edit_config(folder, reference={"samples_per_prompt": 256}))
    prepare_base_model(config, folder / "base")
    sample_reference(config, folder / "base", folder / "rollouts")
    shutil.rmtree(folder / "store")
    return folder


@pytest.fixture
def built(prepared, tmp_path) -> Path:
    """A workspace of the test's own, ready to train."""
    return Path(shutil.copytree(prepared, tmp_path / "workspace"))


@pytest.fixture
def trained(built):
    """A function that trains a policy in the workspace and returns its record and its folder."""

    def train(name: str, weights=(1.0, 0.0), **changes) -> tuple[Policy, Path]:
        config = load_config(edit_config(built, **changes))
        record = train_policy(
            config, list(weights), base_model=built / "base", rollouts=built / "rollouts", destination=built / name
        )
        return record, built / name

    return train
