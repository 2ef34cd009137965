import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from palm.errors import TrainingError
from palm.training.guards import GuardFired, check_log, check_objective, kl_limit

HOT = {"training__warm_start": "none", "training__learning_rate": 3.0, "training__warmup_steps": 0}


@pytest.mark.parametrize(
    ("entry", "kind", "words"),
    [
        ({"loss": float("nan")}, "loss", "loss is nan at step 7"),
        ({"loss": 0.1, "grad_norm": float("inf")}, "loss", "grad_norm is inf at step 7"),
        ({"loss": 0.1, "kl": 0.5, "completions/mean_length": 9.0}, "kl", "KL is 4.5 nats at step 7, the limit is 4"),
    ],
)
def test_what_fires(entry, kind, words):
    with pytest.raises(GuardFired, match=words) as caught:
        check_log(entry, step=7, limit=4.0)
    assert caught.value.guard.kind == kind


def test_what_does_not_fire():
    check_log({"loss": 0.1, "grad_norm": 2.0, "kl": 0.5, "completions/mean_length": 7.9}, step=7, limit=4.0)
    check_log({"loss": 0.1}, step=7, limit=4.0)


def test_the_limit_is_where_no_policy_can_be_better_than_the_reference(config):
    assert kl_limit(config) == 10.0  # β = 0.1
    training = config.training.model_copy(update={"max_kl": 3.0})
    assert kl_limit(config.model_copy(update={"training": training})) == 3.0


def test_the_objective_guard_asks_for_significance():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(100, 4))
    noise -= noise.mean()
    error = noise.mean(axis=1).std(ddof=1) / 10
    assert check_objective(noise - 1.9 * error, step=5) is None
    guard = check_objective(noise - 2.1 * error, step=5)
    assert guard.kind == "objective" and "below J_ref on 100 training prompts" in guard.message


def test_a_training_that_runs_away_is_stopped_and_leaves_the_last_good_checkpoint(trained):
    record, folder = trained("hot", **HOT, training__steps=30, training__checkpoint_steps=1)
    guard = record["guard"]
    assert guard["kind"] == "kl" and guard["step"] < 30
    assert record["steps"] == guard["step"] - 1
    assert json.loads((folder / "policy.json").read_text())["guard"] == guard
    assert all(np.isfinite(weight).all() for weight in load_file(folder / "adapter_model.safetensors").values())


def test_without_a_checkpoint_there_is_nothing_to_keep(trained):
    with pytest.raises(TrainingError, match=r"training of policy-.*KL is .* before there was a checkpoint"):
        trained("hot", **HOT, training__steps=30)


def test_a_policy_below_the_reference_is_marked(trained):
    record, _ = trained("worse", **HOT | {"training__learning_rate": 0.3}, training__steps=8, training__max_kl=1e6)
    assert record["guard"]["kind"] == "objective"
    gain = record["objective_gain"]
    assert gain["mean"] < -2 * gain["standard_error"]


def test_a_good_policy_is_not_marked(trained):
    record, _ = trained("good", training__backend="rwr", training__warm_start=None)
    assert record["guard"] is None
    assert record["objective_gain"]["standard_error"] > 0
