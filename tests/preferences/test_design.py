"""Designs by strategy."""

import json

import numpy as np
import pytest

from palm.errors import WeightsError
from palm.preferences.design import STRATEGIES, design_grid

KEYS = ["strategy", "objectives", "epsilon", "delta", "size", "weights", "coverage", "lower_bound"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_design_says_what_it_is(strategy):
    design = design_grid(3, epsilon=0.4, delta=0.0125, strategy=strategy, size=48)
    told = json.loads(json.dumps(design.to_dict(), allow_nan=False))
    assert list(told) == KEYS
    assert list(told["coverage"]) == ["method", "covered", "uncovered_fraction", "counterexample"]
    assert told["coverage"]["method"] == "exact"
    assert (told["strategy"], told["objectives"], told["epsilon"], told["delta"]) == (strategy, 3, 0.4, 0.0125)
    assert told["size"] == len(told["weights"]) == 48
    np.testing.assert_allclose(np.sum(told["weights"], axis=1), 1, atol=1e-12)
    assert told["coverage"]["covered"] == (strategy == "palm")
    assert (told["coverage"]["counterexample"] is None) == (strategy == "palm")
    assert 1 <= told["lower_bound"] <= 48


def test_random_design_follows_the_seed():
    weights = [
        design_grid(3, epsilon=0.4, delta=0.05, strategy="random", size=4, seed=seed).weights for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert (weights[0] != weights[2]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "unifrom"}, "strategy='unifrom': must be one of random, uniform, palm; did you mean 'uniform'"),
        ({"strategy": "xyz"}, "choose one of them"),
        ({"strategy": "random"}, "strategy='random': needs a size"),
        ({"strategy": "uniform"}, "strategy='uniform': needs a size"),
        ({"strategy": "uniform", "size": 0}, "size=0"),
        ({"strategy": "palm", "size": 10}, "size=10: .* needs 48"),
        ({"epsilon": 1.2}, r"epsilon=1.2: must be in \[0, 1\)"),
        ({"delta": -0.1}, "delta=-0.1"),
        ({"delta": 0}, "needs a delta above 0"),
        ({"objectives": 9}, "objectives=9"),
    ],
)
def test_bad_arguments(changes, message):
    arguments = {"objectives": 3, "epsilon": 0.4, "delta": 0.0125, "strategy": "palm"} | changes
    with pytest.raises(WeightsError, match=message):
        design_grid(arguments.pop("objectives"), **arguments)
