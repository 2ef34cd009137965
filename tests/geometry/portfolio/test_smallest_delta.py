"""ε granted, the smallest δ: certificates by hand and against sampled preferences, selections against brute force."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palm.errors import SelectionError
from palm.geometry.portfolio.certificate import VALUE_TOLERANCE, certify
from palm.geometry.portfolio.selection import select
from palm.geometry.portfolio.smallest_delta import smallest_delta


def test_by_hand():
    """In the middle the corners are worth 0.6 and the best policy 0.8: δ = 0.8 (1 - ε) - 0.6."""
    values = [[1, 0.2], [0.2, 1], [0.8, 0.8]]
    for epsilon, delta in ((0.0, 0.2), (0.1, 0.12), (0.25, 0.0), (1.0, 0.0)):
        certificate = smallest_delta(values, [0, 1], epsilon=epsilon)
        assert certificate.delta == pytest.approx(delta, abs=2e-9)
        assert certificate.epsilon == epsilon
        assert certificate.additive_gap == pytest.approx(0.2)
        np.testing.assert_allclose(certificate.worst_weights, [0.5, 0.5], atol=1e-9)


def test_values_below_zero_have_a_delta():
    """Where the best value is negative no ε up to 1 is enough, but a δ is found."""
    values = [[0.5, -0.3], [0.4, -0.4]]
    with pytest.raises(SelectionError, match="allow a delta"):
        certify(values, [1])
    assert smallest_delta(values, [1], epsilon=0.0).delta == pytest.approx(0.1)
    # At (0, 1) all policies together are worth -0.3, which is less than 0.5 · (-0.3): even all of them need a δ.
    assert smallest_delta(values, [0, 1], epsilon=0.5).delta == pytest.approx(0.15)


@settings(max_examples=40)
@given(st.integers(2, 5), st.integers(1, 5), st.floats(0, 0.5), st.integers(0, 10**6))
def test_holds_everywhere_and_is_needed(objectives, members, epsilon, seed):
    rng = np.random.default_rng(seed)
    values = rng.uniform(-0.2, 1, (9, objectives))
    portfolio = sorted(rng.choice(9, members, replace=False).tolist())
    certificate = smallest_delta(values, portfolio, epsilon=epsilon)
    assert certificate.shortfall(values) <= VALUE_TOLERANCE
    weights = np.vstack([rng.dirichlet(np.full(objectives, 0.7), 400), certificate.worst_weights])
    missing = (1 - epsilon) * (weights @ values.T).max(axis=1) - (weights @ values[portfolio].T).max(axis=1)
    assert missing.max() <= certificate.delta + VALUE_TOLERANCE
    if certificate.delta > 0:
        assert missing[-1] == pytest.approx(certificate.delta, abs=1e-7)


def test_the_two_ways_agree():
    rng = np.random.default_rng(3)
    for _ in range(20):
        values = rng.uniform(0.2, 1, (8, 3))
        epsilon = 0.5 * certify(values, [0, 1, 2]).epsilon
        delta = smallest_delta(values, [0, 1, 2], epsilon=epsilon).delta
        assert certify(values, [0, 1, 2], delta=delta).epsilon == pytest.approx(epsilon, abs=1e-6)


def test_selection_equals_brute_force():
    rng = np.random.default_rng(0)
    greedy_worse = 0
    for objectives in [2] * 6 + [3] * 8 + [4] * 6:
        values = rng.uniform(-0.1, 1, (6, objectives))
        size, epsilon = int(rng.integers(1, 5)), float(rng.choice([0.0, 0.1]))
        best = min(smallest_delta(values, subset, epsilon=epsilon).delta for subset in combinations(range(6), size))
        chosen = select(values, size, epsilon=epsilon)
        greedy = select(values, size, epsilon=epsilon, method="greedy")
        assert chosen.minimised == "delta"
        assert chosen.epsilon == epsilon
        assert chosen.delta == pytest.approx(best, abs=2e-6)
        assert best - 3e-6 <= chosen.delta_bound <= best + 1e-9
        assert chosen.epsilon_bound == 0
        assert chosen.delta <= greedy.delta + 1e-12
        greedy_worse += greedy.delta > chosen.delta + 1e-6
    assert greedy_worse >= 1, "the comparison must be able to tell the methods apart"


def test_bad_arguments():
    values = [[0.5, 0.6], [0.6, 0.5]]
    with pytest.raises(SelectionError, match="epsilon=1.5: must be in"):
        smallest_delta(values, [0], epsilon=1.5)
    with pytest.raises(SelectionError, match="epsilon=0.1, delta=0.2: leave nothing to minimise"):
        select(values, 1, epsilon=0.1, delta=0.2)
    with pytest.raises(SelectionError, match=r"portfolio=\[2\]"):
        smallest_delta(values, [2], epsilon=0)
