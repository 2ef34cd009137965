"""Designs by strategy."""

import json

import numpy as np
import pytest

from palm.errors import WeightsError
from palm.geometry.preferences.design import design_grid

KEYS = [
    "certificate", "strategy", "objectives", "epsilon", "delta", "size", "weights", "coverage", "lower_bound",
    "packing", "packing_weights",
]  # fmt: skip


@pytest.mark.parametrize("strategy", ["random", "uniform", "palm"])
def test_a_design_describes_itself(strategy):
    design = design_grid(3, epsilon=0.4, delta=0.0125, strategy=strategy, size=48)
    content = json.loads(json.dumps(design.to_dict(), allow_nan=False))
    assert list(content) == KEYS
    assert list(content["coverage"]) == ["method", "covered", "uncovered_fraction", "counterexample"]
    assert content["coverage"]["method"] == "exact"
    assert [content[key] for key in KEYS[1:5]] == [strategy, 3, 0.4, 0.0125]
    assert content["size"] == len(content["weights"]) == 48
    np.testing.assert_allclose(np.sum(content["weights"], axis=1), 1, atol=1e-12)
    assert content["coverage"]["covered"] == (strategy == "palm")
    assert (content["coverage"]["counterexample"] is None) == (strategy == "palm")
    assert 34 <= content["lower_bound"] == np.ceil(np.sum(content["packing_weights"]) - 1e-6) <= 36
    assert len(content["packing"]) == len(content["packing_weights"])


def test_given_weights_are_kept_and_judged():
    corners = np.eye(3)
    design = design_grid(3, epsilon=0.0, delta=0.7, strategy="weights", weights=corners.tolist())
    np.testing.assert_array_equal(design.weights, corners)
    assert design.size == 3
    assert design.coverage.covered
    assert not design_grid(3, epsilon=0.0, delta=0.6, strategy="weights", weights=corners).coverage.covered


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_minimal_is_between_its_bound_and_palm(objectives):
    accuracy = {"epsilon": 0.5, "delta": 0.1 + 0.05 * (objectives == 4)}
    palm = design_grid(objectives, strategy="palm", **accuracy)
    minimal = design_grid(objectives, strategy="minimal", **accuracy)
    assert minimal.coverage.covered
    assert palm.lower_bound <= minimal.lower_bound <= minimal.size <= palm.size
    assert objectives == 2 or minimal.size < palm.size


def test_two_objectives_that_need_many_vectors_still_get_a_bound():
    design = design_grid(2, epsilon=0.0, delta=1e-5, strategy="uniform", size=5)
    assert design.lower_bound == 10_000
    assert not design.coverage.covered


def test_random_design_follows_the_seed():
    weights = [
        design_grid(3, epsilon=0.4, delta=0.05, strategy="random", size=4, seed=seed).weights for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert (weights[0] != weights[2]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "unifrom"}, "='unifrom': must be one of random, uniform, palm, .*; did you mean 'uniform'"),
        ({"strategy": "xyz"}, "choose one of them"),
        ({"strategy": "random"}, "strategy='random': needs a size"),
        ({"strategy": "uniform"}, "strategy='uniform': needs a size"),
        ({"strategy": "uniform", "size": 0}, "size=0"),
        ({"strategy": "palm", "size": 10}, "size=10: .* needs 48"),
        ({"epsilon": 1.2}, r"epsilon=1.2: must be in \[0, 1\)"),
        ({"delta": -0.1}, "delta=-0.1"),
        ({"delta": 0}, "strategy palm needs a delta above 0"),
        ({"delta": 0, "strategy": "minimal"}, "strategy minimal needs a delta above 0"),
        ({"strategy": "weights"}, "strategy='weights': needs the weights"),
        ({"strategy": "predicted"}, "strategy='predicted': needs a size"),
        ({"strategy": "predicted", "size": 3}, "strategy='predicted': needs rollouts of the reference; use it in a"),
        ({"weights": [[1, 0, 0]]}, "strategy='palm': takes no weights"),
        ({"strategy": "weights", "weights": [[1, 0, 0]], "size": 1}, "size=1: strategy weights takes no size"),
        ({"strategy": "weights", "weights": [[1, 1, 0]]}, "must sum to 1"),
        ({"strategy": "minimal", "size": 2, "epsilon": 0.5, "delta": 0.2}, "size=2: the minimal grid for .* needs"),
        ({"objectives": 9}, "objectives=9"),
    ],
)
def test_bad_arguments(changes, message):
    arguments = {"objectives": 3, "epsilon": 0.4, "delta": 0.0125, "strategy": "palm"} | changes
    with pytest.raises(WeightsError, match=message):
        design_grid(arguments.pop("objectives"), **arguments)
