"""The design step: the design is made once and then fetched."""

from pathlib import Path

import numpy as np
import pytest
from support.workspace import edit_config

from palm.artifacts.design import Design
from palm.builds.checks.design import check_design
from palm.config.load import load_config
from palm.errors import WeightsError
from palm.evaluation.rollouts import Rollouts, write_rollouts
from palm.geometry.adaptive.predicted import predicted_design
from palm.steps.design_grid import design_grid
from palm.verification.certificate_file import verify_file


def kept(config):
    return sorted(path.name for path in Path(config.storage.root).rglob("design-*"))


def test_a_searched_design_is_made_once(workspace):
    """Other weights would be other policies."""
    settings = {"strategy": "minimal", "epsilon": 0.3, "delta": 0.05}
    config = load_config(edit_config(workspace, design=settings))
    weights = design_grid(config, workspace / "rollouts", workspace / "design.json").weights
    saved = Design.read(workspace / "design.json")
    assert saved.weights == weights and saved.coverage.covered
    assert len(weights) == saved.lower_bound
    entries = kept(config)
    assert entries
    assert design_grid(config, workspace / "rollouts", workspace / "again.json").weights == weights
    assert kept(config) == entries
    other = load_config(edit_config(workspace, design={**settings, "epsilon": 0.4}))
    assert design_grid(other, workspace / "rollouts", workspace / "other.json").weights != weights
    assert len(kept(config)) > len(entries)


def test_given_weights_reach_the_design(workspace):
    rows = [[0.5, 0.5], [1.0, 0.0]]
    design = {"strategy": "weights", "weights": rows, "epsilon": 0.3, "delta": 0.05}
    config = load_config(edit_config(workspace, design=design))
    assert design_grid(config, workspace / "rollouts", workspace / "design.json").weights == ((0.5, 0.5), (1.0, 0.0))


def rollouts_of(workspace, seed):
    rng = np.random.default_rng(seed)
    prompts, samples = 12, 32
    rollouts = Rollouts(
        prompts=[f"say {number}" for number in range(prompts)],
        responses=[["a"] * samples] * prompts,
        token_ids=[[[1]] * samples] * prompts,
        truncated=np.zeros((prompts, samples), dtype=bool),
        rewards=rng.random((prompts, samples, 2)),
        metrics=np.empty((prompts, samples, 0)),
    )
    (workspace / "rollouts").mkdir(exist_ok=True)
    write_rollouts(workspace / "rollouts" / "train.parquet", rollouts, ["length", "vowels"], [])
    return rollouts


def test_predicted_design_follows_the_rollouts(workspace):
    settings = {"strategy": "predicted", "epsilon": 0.3, "delta": 0.05, "size": 3}
    config = load_config(edit_config(workspace, design=settings))
    check_design(config)
    rewards = rollouts_of(workspace, seed=0).rewards
    weights = design_grid(config, workspace / "rollouts", workspace / "design.json").weights
    expected = predicted_design(rewards, 3, beta=config.beta)
    np.testing.assert_allclose(weights, expected.weights)
    saved = Design.read(workspace / "design.json")
    assert saved.strategy == "predicted"
    assert saved.predicted.epsilon == pytest.approx(expected.epsilon)
    assert saved.predicted.samples_per_prompt == 32
    assert len(saved.predicted.effective_sample_size) == 3
    assert verify_file(workspace / "design.json").certificate == "cover"
    rollouts_of(workspace, seed=1)
    assert design_grid(config, workspace / "rollouts", workspace / "design.json").weights != weights


def test_a_bad_design_is_refused_before_any_work(workspace):
    design = {"strategy": "weights", "weights": [[0.5, 0.6]], "epsilon": 0.3, "delta": 0.05}
    with pytest.raises(WeightsError, match="must sum to 1"):
        check_design(load_config(edit_config(workspace, design=design)))
