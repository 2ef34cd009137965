from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.artifacts.plan import Training
from palm.builds.rebuild.candidates import EarlierPolicy
from palm.builds.rebuild.planner import choose_training

REFERENCE = np.array([0.3, 0.3])


def policy(name, weights, value_vector, *, shortfall=0.10, then=0.10, worse=False, alike=True, start=True):
    return EarlierPolicy(
        name=name,
        weights=np.array(weights),
        value_vector=np.array(value_vector),
        shortfall=shortfall,
        shortfall_when_trained=then,
        worse_than_reference=worse,
        trained_alike=alike,
        may_start=start,
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {"keep": "a"}),
        ({"shortfall": 0.1009}, {"keep": "a"}),
        ({"shortfall": 0.1011}, {"start": "a"}),
        ({"shortfall": -0.02, "shortfall_when_trained": -0.02}, {"keep": "a"}),
        # Where there is little to gain, every policy is near to the optimum.
        ({"worse_than_reference": True, "value_vector": np.array([0.2, 0.9])}, {}),
        ({"trained_alike": False}, {"start": "a"}),
        ({"trained_alike": False, "may_start": False}, {}),
        ({"weights": np.array([0.5, 0.5])}, {"start": "a"}),
        ({"shortfall": 0.3, "value_vector": np.array([0.29, 0.9])}, {}),
    ],
)
def test_reused_if_its_shortfall_is_no_larger_else_a_start_if_better_than_the_reference(change, expected):
    candidate = replace(policy("a", [1.0, 0.0], [0.6, 0.1]), **change)
    assert choose_training((1.0, 0.0), [candidate], reference=REFERENCE) == Training(weights=(1.0, 0.0), **expected)


def test_the_start_is_the_best_for_the_weights_not_the_nearest():
    near = policy("near", [0.9, 0.1], [0.4, 0.4])
    far = policy("far", [0.0, 1.0], [0.7, 0.2])
    assert choose_training((1.0, 0.0), [near, far], reference=REFERENCE).start == "far"
    assert choose_training((0.0, 1.0), [near], reference=REFERENCE).start == "near"
    assert choose_training((0.5, 0.5), [], reference=REFERENCE) == Training(weights=(0.5, 0.5))


NUMBERS = st.floats(0, 1, allow_nan=False)


@given(
    first=NUMBERS,
    vectors=st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, st.booleans(), st.booleans()), max_size=5),
)
def test_never_both_and_never_a_start_below_the_reference_or_another(first, vectors):
    weights = (first, 1 - first)
    candidates = [
        policy(str(index), [1.0, 0.0], entry[:2], shortfall=entry[2], alike=entry[3], start=entry[4])
        for index, entry in enumerate(vectors)
    ]
    choice = choose_training(weights, candidates, reference=REFERENCE)
    assert not (choice.keep and choice.start)
    if choice.start:
        value = candidates[int(choice.start)].value_vector @ weights
        assert value > REFERENCE @ weights
        assert all(value >= entry.value_vector @ weights for entry in candidates if entry.may_start)
