"""Guarantees and their composition; they are held against closed forms in test_truth."""

import pytest

from palm.errors import SelectionError
from palm.geometry.portfolio.guarantee import Guarantee, cell_guarantee, compose


def test_composition_by_hand():
    together = compose(Guarantee(epsilon=0.1, delta=0.02), Guarantee(epsilon=0.2, delta=0.03))
    assert together.epsilon == pytest.approx(0.1 + 0.2 - 0.02)
    assert together.delta == pytest.approx(0.8 * 0.02 + 0.03)


def test_nothing_added_changes_nothing():
    exact, some = Guarantee(epsilon=0.0, delta=0.0), Guarantee(epsilon=0.3, delta=0.01)
    for together in (compose(exact, some), compose(some, exact)):
        assert (together.epsilon, together.delta) == pytest.approx((0.3, 0.01))


def test_cell_guarantee_by_hand():
    assert cell_guarantee(0.2, 0.01, reward_max=3, cost_max=0.5) == Guarantee(epsilon=0.4, delta=2 * (0.03 + 0.1))


@pytest.mark.parametrize(
    "parts", [{"epsilon": 1.1, "delta": 0}, {"epsilon": -0.1, "delta": 0}, {"epsilon": 0, "delta": -1}]
)
def test_bad_parts(parts):
    with pytest.raises(SelectionError, match="must be"):
        Guarantee(**parts)
