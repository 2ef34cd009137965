"""Number of policies that a build may be without when trainings fail for good."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.artifacts.selection import Missing
from palm.builds.checks.policy_count import check_enough, fewest_policies
from palm.config.training import Training
from palm.errors import BuildError


def settings(fewest: int | None) -> Training:
    return Training(steps=1, min_policies=fewest)


def missing(count: int) -> list[Missing]:
    return [Missing(weights=(0.25, 0.75), error=f"loss {index} is not a number") for index in range(count)]


@pytest.mark.parametrize(("planned", "fewest"), [(1, 1), (3, 3), (9, 9), (10, 9), (12, 11), (19, 18), (48, 44)])
def test_by_default_one_in_ten_may_be_missing(planned, fewest):
    assert fewest_policies(settings(None), planned) == fewest


@given(st.integers(1, 300), st.none() | st.integers(1, 400), st.data())
def test_no_fewer_than_the_fewest_are_enough(planned, wanted, data):
    training = settings(wanted)
    fewest = fewest_policies(training, planned)
    assert 1 <= fewest <= planned
    gone = data.draw(st.integers(0, planned))
    if planned - gone >= fewest:
        check_enough(training, planned, missing(gone))
        return
    with pytest.raises(BuildError):
        check_enough(training, planned, missing(gone))


def test_too_few_are_refused_with_the_first_reason_and_the_remedy():
    with pytest.raises(BuildError) as error:
        check_enough(settings(3), 4, missing(2))
    assert str(error.value) == (
        "2 of 4 policies: are too few, training.min_policies is 3: train_policy 0.250 0.750 failed: "
        "loss 0 is not a number (and 1 more); fix the cause of the failed training and run again, or lower "
        "training.min_policies"
    )
