"""Shares of the simplex."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palm.errors import SelectionError
from palm.geometry.portfolio.usage import diversity, usage


def test_closed_forms():
    assert usage([[1, 0], [0, 1]], [0, 1]) == pytest.approx({0: 0.5, 1: 0.5})
    assert usage([[1, 0], [0.5, 0.5]], [0, 1]) == pytest.approx({0: 0.5, 1: 0.5})
    assert usage([[1, 0], [0, 0.5]], [0, 1]) == pytest.approx({0: 2 / 3, 1: 1 / 3})
    assert usage(np.eye(3), [0, 2]) == pytest.approx({0: 0.5, 2: 0.5})
    # v_1 ≥ 1/2 is a corner of share (1/2)^(d-1).
    assert usage([[1, 0, 0, 0], [0.5, 0.5, 0.5, 0.5]], [0, 1]) == pytest.approx({0: 0.125, 1: 0.875})


@pytest.mark.parametrize("objectives", range(2, 9))
def test_symmetry(objectives):
    shares = usage(np.eye(objectives), range(objectives))
    # d = 7 and 8 are estimates with a standard error of at most 0.0012.
    assert list(shares.values()) == pytest.approx([1 / objectives] * objectives, abs=1e-9 if objectives <= 6 else 0.005)


def test_ties_and_useless_members():
    assert usage([[0.5, 0.5], [0.5, 0.5], [0.2, 0.2]], [0, 1, 2]) == {0: 1.0, 1: 0.0, 2: 0.0}
    assert usage([[0.5, 0.1], [0.1, 0.5], [0.5, 0.1]], [1, 2]) == pytest.approx({1: 0.5, 2: 0.5})
    assert usage([[0.2, 0.3, 0.4]], [0]) == {0: 1.0}
    # Best on a boundary only: (0.3, 0.3) touches the envelope of the two others in one point.
    assert usage([[0.6, 0], [0, 0.6], [0.3, 0.3]], [0, 1, 2]) == pytest.approx({0: 0.5, 1: 0.5, 2: 0})


@settings(max_examples=60)
@given(st.integers(2, 6), st.integers(1, 9), st.integers(0, 10**6))
def test_shares_agree_with_sampling(objectives, members, seed):
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 1, (12, objectives))
    portfolio = sorted(rng.choice(12, members, replace=False).tolist())
    shares = usage(values, portfolio)
    assert list(shares) == portfolio
    assert sum(shares.values()) == pytest.approx(1, abs=1e-12)
    best = (rng.dirichlet(np.ones(objectives), 4000) @ values[portfolio].T).argmax(axis=1)
    counted = np.bincount(best, minlength=members) / 4000
    np.testing.assert_allclose(list(shares.values()), counted, atol=0.045)


def test_bad_index():
    with pytest.raises(SelectionError, match=r"portfolio=\[5\]"):
        usage(np.eye(3), [5])


def test_diversity_by_hand():
    even = diversity({3: 0.25, 5: 0.25, 7: 0.25, 9: 0.25})
    assert even.entropy == pytest.approx(np.log(4))
    assert even.effective_number == pytest.approx(4)
    assert even.unused == ()
    some = diversity({0: 0.5, 1: 0.0, 2: 0.5, 4: 0.0})
    assert some.effective_number == pytest.approx(2)
    assert some.unused == (1, 4)
    assert diversity({2: 1.0}) == diversity(usage([[0.2, 0.3], [0.1, 0.1], [0.5, 0.5]], [2]))
    assert diversity({2: 1.0}).entropy == 0
