"""Worst cases of a portfolio, by linear programs."""

import numpy as np
import pytest

from palm.errors import SelectionError
from palm.geometry.portfolio import worst_case
from palm.geometry.portfolio.worst_case import lowest_value, worst_cases


def test_blocks_of_any_size_agree(monkeypatch):
    values = np.random.default_rng(0).uniform(0.2, 1, (40, 3))
    whole = worst_cases(values[:4], values, scales=values, delta=0.0)
    monkeypatch.setattr(worst_case, "BLOCK_VARIABLES", 15)
    parts = worst_cases(values[:4], values, scales=values, delta=0.0)
    np.testing.assert_allclose(parts.gaps, whole.gaps, atol=1e-9)
    assert parts.combinations.shape == (40, 4)


def test_primal_and_dual_meet():
    """The combination proves the gap from above, the preference from below."""
    values = np.random.default_rng(1).uniform(0.2, 1, (30, 4))
    members = values[:3]
    worst = worst_cases(members, values, scales=values, delta=0.02)
    needed = ((values - 0.02 - worst.combinations @ members) / values).max(axis=1)
    np.testing.assert_allclose(np.maximum(needed, 0), worst.gaps, atol=1e-8)
    for target, gap, v in zip(values, worst.gaps, worst.weights, strict=True):
        if gap > 1e-9:
            assert (target @ v - 0.02 - (members @ v).max()) / (target @ v) == pytest.approx(gap, abs=1e-7)
            assert v.sum() == pytest.approx(1)
    assert (worst.gaps > 1e-3).any()


def test_no_combination_reaches_a_negative_target():
    with pytest.raises(SelectionError, match="no solution.*allow a larger delta"):
        worst_cases(np.array([[-0.5, 0.2]]), np.array([[-0.1, 0.3]]), scales=np.array([[-0.1, 0.3]]), delta=0.0)


def test_lowest_value_has_a_closed_form():
    """Members (1, 0) and (0, 1): max(v_1, v_2) is lowest, 1/2, in the middle."""
    lowest = lowest_value(np.eye(2))
    assert lowest.value == pytest.approx(0.5)
    np.testing.assert_allclose(lowest.weights, [0.5, 0.5])
