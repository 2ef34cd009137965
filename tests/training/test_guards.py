import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from palm.artifacts.policy import Policy
from palm.errors import TrainingError
from palm.evaluation.measure import mean_over_prompts
from palm.training.guards import GuardFired, Watchdog, check_objective, kl_limit

HOT = {
    "training__warm_start": "none",
    "training__learning_rate": 0.05,
    "training__warmup_steps": 10,
    "training__max_kl": 0.2,
    "training__steps": 30,
}


def logged(kl: float) -> dict:
    """The log of a step whose responses have 9 tokens and this KL in total."""
    return {"loss": 0.1, "grad_norm": 2.0, "kl": kl / 9, "completions/mean_length": 9.0}


@pytest.mark.parametrize(
    ("entry", "words"),
    [({"loss": float("nan")}, "loss is nan at step 7"), ({"grad_norm": float("inf")}, "grad_norm is inf at step 7")],
)
def test_a_loss_that_is_not_finite_fires_immediately(entry, words):
    with pytest.raises(GuardFired, match=words) as caught:
        Watchdog(4.0).check({**logged(1.0), **entry}, step=7)
    assert caught.value.guard.kind == "loss"


def test_a_kl_that_stays_above_the_limit_fires():
    watchdog = Watchdog(4.0)
    for step in (1, 2):
        watchdog.check(logged(4.5), step=step)
        assert watchdog.in_doubt
    with pytest.raises(GuardFired, match="KL is 5 nats at step 3, the limit is 4") as caught:
        watchdog.check(logged(5.0), step=3)
    assert caught.value.guard.kind == "kl"


def test_a_kl_above_the_limit_for_two_steps_does_not_fire():
    watchdog = Watchdog(4.0)
    for step, kl in enumerate([3.9, 40.0, 40.0, 3.9, 40.0, 40.0, 3.9]):
        watchdog.check(logged(kl), step=step)
        assert watchdog.in_doubt == (kl > 4)
    watchdog.check({"loss": 0.1}, step=8)


def test_the_limit_is_where_no_policy_can_be_better_than_the_reference(config):
    assert kl_limit(config.training, config.beta) == 10.0  # β = 0.1
    training = config.training.model_copy(update={"max_kl": 3.0})
    assert kl_limit(training, config.beta) == 3.0


def test_the_objective_guard_asks_for_significance():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(100, 4))
    noise -= noise.mean()
    error = noise.mean(axis=1).std(ddof=1) / 10
    assert check_objective(mean_over_prompts(noise - 1.9 * error), prompts=100, step=5) is None
    guard = check_objective(mean_over_prompts(noise - 2.1 * error), prompts=100, step=5)
    assert guard.kind == "objective" and "below J_ref on 100 training prompts" in guard.message


def test_a_training_that_runs_away_is_stopped_and_leaves_the_last_good_checkpoint(trained):
    record, folder = trained("hot", **HOT, training__checkpoint_steps=1)
    guard = record.guard
    assert guard.kind == "kl" and guard.step < 30
    # Three steps in a row were above the limit, and a step logs the values of the policy before it.
    assert 0 < record.steps <= guard.good_step == guard.step - 4
    kls = {entry["step"]: entry["kl"] * entry["completions/mean_length"] for entry in log_of(folder)}
    assert max(kls) == record.steps and max(kls.values()) < 0.3
    assert Policy.read(folder).guard == guard
    assert all(np.isfinite(weight).all() for weight in load_file(folder / "adapter_model.safetensors").values())


def log_of(folder) -> list[dict]:
    return json.loads((folder / "training_log.json").read_text())["steps"]


def test_weights_that_nothing_can_be_sampled_from_fire_a_guard(trained):
    """The learning rate is 0 in the first step, and far too large in the second."""
    record, _ = trained("broken", **HOT | {"training__learning_rate": 1e21}, training__checkpoint_steps=1)
    assert record.guard.kind == "loss" and record.steps == 1


SOUP = {"training__backend": "soup", "training__warm_start": None, "training__soup": {"corners": "grpo"}}


@pytest.mark.parametrize(
    ("weights", "changes", "message"),
    [
        ([1.0, 0.0], {}, r"training of policy-.*KL is .* before there was a good checkpoint"),
        ([1.0, 0.0], {"training__warm_start": "grpo"}, "in its warm start by grpo; lower the learning rate of grpo"),
        ([0.5, 0.5], SOUP | {"training__checkpoint_steps": 1}, r"corner policy policy-.* is marked by a guard: KL"),
    ],
    ids=["before the first checkpoint", "in the warm start", "in a corner of a soup"],
)
def test_a_guard_that_leaves_nothing_to_return_is_an_error(trained, weights, changes, message):
    with pytest.raises(TrainingError, match=message):
        trained("hot", weights, **HOT | changes)


def test_a_policy_below_the_reference_is_marked(trained):
    hotter = {
        "training__learning_rate": 0.3,
        "training__warmup_steps": 0,
        "training__steps": 8,
        "training__max_kl": 1e6,
    }
    record, _ = trained("worse", **HOT | hotter)
    assert record.guard.kind == "objective"
    gain = record.objective_gain
    assert gain.mean < -2 * gain.standard_error


def test_a_good_policy_is_not_marked(trained):
    record, _ = trained("good", training__backend="rwr", training__warm_start=None)
    assert record.guard is None
    assert record.objective_gain.standard_error > 0
