import numpy as np
import pytest

from palm.errors import WeightsError
from palm.serving.router import Router

ROUTER = Router(("a", "b"), ("first", "second", "twin"), np.array([[0.8, 0.1], [0.2, 0.6], [0.2, 0.6]]))
WRONG = [{"a": 0.5, "b": 0.6}, [0.5, 0.6], [-0.1, 1.1], [1.0], [0.2, 0.3, 0.5], [float("nan"), 1.0]]


def test_the_best_member_answers_and_ties_go_to_the_first():
    assert ROUTER.route([1, 0]) == "first"
    assert ROUTER.route([0, 1]) == "second"
    # 0.8 w + 0.1 (1 − w) = 0.2 w + 0.6 (1 − w) at w = 5 / 11.
    assert ROUTER.route([5 / 11 + 1e-6, 6 / 11 - 1e-6]) == "first"
    assert ROUTER.route([5 / 11 - 1e-6, 6 / 11 + 1e-6]) == "second"


def test_weights_by_name_are_in_the_order_of_the_rewards():
    assert ROUTER.route({"b": 0.1, "a": 0.9}) == "first" and ROUTER.route({"b": 0.9, "a": 0.1}) == "second"


@pytest.mark.parametrize("weights", [{"a": 1.0}, {"a": 0.5, "b": 0.3, "c": 0.2}, {"a": 0.5, "c": 0.5}, {}])
def test_other_names_are_refused(weights):
    with pytest.raises(WeightsError, match="must name the rewards of the portfolio: a, b; give each"):
        ROUTER.route(weights)


@pytest.mark.parametrize("weights", WRONG)
def test_weights_off_the_simplex_are_refused(weights):
    with pytest.raises(WeightsError):
        ROUTER.route(weights)
