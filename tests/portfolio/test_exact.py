"""Pieces of the exact method; the whole is tested with the selections."""

import numpy as np
import pytest

from palm.portfolio.exact import best_portfolio, cover, minimal_rows, undominated, worst_preferences


def test_cover_by_hand():
    rows = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1]], dtype=bool)
    picks = cover(rows, 2, time_limit_seconds=10).picks
    assert rows[:, list(picks)].any(axis=1).all()
    assert cover(rows, 1, time_limit_seconds=10).impossible
    assert cover(np.array([[True], [False]]), 1, time_limit_seconds=10).impossible


def test_minimal_rows_keep_what_decides():
    rows = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 0], [1, 1, 1], [0, 0, 1]], dtype=bool)
    assert sorted(minimal_rows(rows).astype(int).tolist()) == [[0, 0, 1], [1, 0, 0]]


def test_undominated_by_hand():
    values = np.array([[1, 0], [0, 1], [0.4, 0.4], [0.6, 0.6], [1, 0], [0.5, 0.5]], dtype=float)
    assert undominated(values).tolist() == [0, 1, 3]


def test_undominated_keeps_what_is_best_between_lattice_points():
    """(0.501, 0.501) is best only for v_1 in (0.499, 0.501), where the lattice that is tried first has no point."""
    assert undominated(np.array([[1, 0], [0, 1], [0.501, 0.501], [0.4999, 0.4999]])).tolist() == [0, 1, 2]


def test_worst_preferences_of_a_portfolio():
    """Against (0.8, 0.8), the corners (1, 0.2) and (0.2, 1) fall behind in the middle, by a quarter."""
    members = np.array([[1, 0.2], [0.2, 1]])
    found = worst_preferences(members, np.vstack([members, [[0.8, 0.8]]]), delta=0.0)
    assert found.epsilon == pytest.approx(0.25)
    np.testing.assert_allclose(found.weights, [[0.5, 0.5]], atol=1e-9)
    hopeless = worst_preferences(np.array([[0.9, -0.2]]), members, delta=0.0)
    assert hopeless.epsilon == np.inf
    np.testing.assert_allclose(hopeless.weights, [[0, 1]], atol=1e-12)


def test_bound_meets_the_gap_from_any_start():
    values = np.random.default_rng(0).uniform(0.1, 1, (12, 3))
    found = [
        best_portfolio(values, 3, start=start, delta=0.0, time_limit_seconds=60)
        for start in ((0, 1, 2), (9, 10, 11), (4,))
    ]
    for proven in found:
        assert 0 <= proven.epsilon - proven.bound <= 1e-6
        assert len(proven.indices) <= 3
        assert proven.epsilon == pytest.approx(found[0].epsilon, abs=2e-6)
