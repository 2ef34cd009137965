"""Candidates from an earlier build, compared with the present configuration."""

import pytest
from support.measurements import evaluation, mean

from palm.artifacts.policy import Policy
from palm.builds.rebuild.candidates import earlier_policy, remapped_weights
from palm.training.task import TRAINING_REVISION


def put_together(config, **measured):
    """A policy that the configuration would train the same way, with some of what is measured of it now."""
    definition = {
        "training_revision": TRAINING_REVISION,
        "prompts": "digest",
        "beta": config.beta,
        "generation": config.generation.model_dump(),
        "reference": config.reference.model_dump(),
        "training": config.training.fingerprint_settings,
        "rewards": [["one", 0.5], ["two", 0.5]],
    }
    policy = Policy(policy="policy-a", weights=(0.5, 0.5), reward_names=("one", "two"), definition=definition)
    return earlier_policy(
        config, policy, evaluation(**measured), prompts="digest", shortfall_when_trained=0.1, adapter=True
    )


def test_a_policy_of_the_same_settings_may_be_reused_and_may_be_a_start(config):
    found = put_together(config)
    assert found.trained_alike and found.may_start and not found.worse_than_reference
    assert found.allowed_shortfall == pytest.approx(0.101)


def test_worse_than_the_reference_by_the_test_of_the_guard(config):
    assert put_together(config, gain=mean(-0.03, 0.01)).worse_than_reference
    assert not put_together(config, gain=mean(-0.03, 0.02)).worse_than_reference


def test_a_policy_beyond_the_kl_limit_is_no_start(config):
    far = {"kl": mean(2.0, 0.1)}
    limited = config.model_copy(update={"training": config.training.model_copy(update={"max_kl": 1.0})})
    assert put_together(config, **far).may_start and not put_together(limited, **far).may_start


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "b"], (0.3, 0.7)),
        (["b", "a"], (0.7, 0.3)),
        (["b", "c"], (1.0, 0.0)),
        (["c", "a", "b"], (0.0, 0.3, 0.7)),
        (["c", "d"], (0.5, 0.5)),
    ],
)
def test_an_objective_that_stays_keeps_its_share(names, expected):
    policy = Policy(policy="policy-a", weights=(0.3, 0.7), reward_names=("a", "b"))
    assert remapped_weights(policy, names) == pytest.approx(expected)
