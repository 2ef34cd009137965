"""What two evaluations say of a policy of an earlier build."""

import pytest

from palm.builds.rebuild.candidates import earlier_policy
from palm.training.task import TRAINING_REVISION


def put_together(config, **measured):
    """A policy that the configuration would train the same way, with some of what is measured of it now."""
    mean = {"mean": 0.5, "standard_error": 0.01}
    record = {
        "policy": "policy-a",
        "weights": [0.5, 0.5],
        "value_vector": [0.5, 0.5],
        "objective": mean,
        "objective_optimum": {"mean": 0.6, "standard_error": 0.01},
        "gain": {"mean": 0.1, "standard_error": 0.01},
        "kl": {"mean": 0.4, "standard_error": 0.01},
    }
    definition = {
        "training_revision": TRAINING_REVISION,
        "prompts": "digest",
        "beta": config.beta,
        "generation": config.generation.model_dump(),
        "reference": config.reference.model_dump(),
        "training": config.training.fingerprint_settings,
        "rewards": [["one", 0.5], ["two", 0.5]],
    }
    return earlier_policy(
        config,
        before=record,
        now={**record, **measured},
        definition=definition,
        prompts="digest",
        shortfall_when_trained=None,
        adapter=True,
    )


def test_a_policy_of_the_same_settings_may_stay_and_may_be_a_start(config):
    found = put_together(config)
    assert found.trained_alike and found.may_start and not found.worse_than_reference
    assert found.allowed_shortfall == pytest.approx(0.101)


def test_worse_than_the_reference_is_what_a_guard_would_mark(config):
    assert put_together(config, gain={"mean": -0.03, "standard_error": 0.01}).worse_than_reference
    assert not put_together(config, gain={"mean": -0.03, "standard_error": 0.02}).worse_than_reference


def test_what_a_guard_would_stop_at_its_first_steps_is_no_start(config):
    far = {"kl": {"mean": 2.0, "standard_error": 0.1}}
    limited = config.model_copy(update={"training": config.training.model_copy(update={"max_kl": 1.0})})
    assert put_together(config, **far).may_start and not put_together(limited, **far).may_start
