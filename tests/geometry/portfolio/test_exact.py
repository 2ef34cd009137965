"""Pieces of the exact method; the whole is tested with the selections."""

from itertools import combinations

import numpy as np
import pytest

from palm.geometry.portfolio import exact
from palm.geometry.portfolio.exact import TableRows, best_portfolio, search, undominated, worst_preferences
from palm.geometry.portfolio.goal import SmallestDelta, SmallestEpsilon
from palm.geometry.portfolio.set_cover import Cover
from palm.geometry.preferences.time_budget import unlimited


def test_undominated_by_hand():
    values = np.array([[1, 0], [0, 1], [0.4, 0.4], [0.6, 0.6], [1, 0], [0.5, 0.5]], dtype=float)
    assert undominated(values).tolist() == [0, 1, 3]


def test_undominated_keeps_what_is_best_between_lattice_points():
    """(0.501, 0.501) is best only for v_1 in (0.499, 0.501), where the lattice that is tried first has no point."""
    assert undominated(np.array([[1, 0], [0, 1], [0.501, 0.501], [0.4999, 0.4999]])).tolist() == [0, 1, 2]


def test_worst_preferences_of_a_portfolio():
    """Against (0.8, 0.8), the corners (1, 0.2) and (0.2, 1) fall behind in the middle, by a quarter."""
    members = np.array([[1, 0.2], [0.2, 1]])
    found = worst_preferences(members, np.vstack([members, [[0.8, 0.8]]]), goal=SmallestEpsilon())
    assert found.gap == pytest.approx(0.25)
    np.testing.assert_allclose(found.weights, [[0.5, 0.5]], atol=1e-9)
    hopeless = worst_preferences(np.array([[0.9, -0.2]]), members, goal=SmallestEpsilon())
    assert hopeless.gap == np.inf
    np.testing.assert_allclose(hopeless.weights, [[0, 1]], atol=1e-12)


@pytest.mark.parametrize("goal", [SmallestEpsilon(), SmallestEpsilon(delta=0.02), SmallestDelta(epsilon=0.05)])
def test_bound_meets_the_gap_from_any_start(goal):
    values = np.random.default_rng(0).uniform(0.1, 1, (12, 3))
    found = [
        best_portfolio(values, 3, start=start, goal=goal, candidates=np.arange(12), seconds_left=unlimited)
        for start in ((0, 1, 2), (9, 10, 11), (4,))
    ]
    for proven in found:
        assert 0 <= proven.gap - proven.bound <= 1e-6
        assert len(proven.indices) <= 3
        assert proven.gap == pytest.approx(found[0].gap, abs=2e-6)


def test_search_in_a_table_equals_brute_force():
    """More rows than the search starts from, so that it has to find those that decide."""
    rng = np.random.default_rng(0)
    for size in (1, 2, 3):
        entries = rng.uniform(size=(400, 9)) ** 2
        best = min(entries[:, columns].min(axis=1).max() for columns in map(list, combinations(range(9), size)))
        found = search(TableRows(entries, first=5), size, start=range(size), largest=np.inf, seconds_left=unlimited)
        assert entries[:, list(found.indices)].min(axis=1).max() == found.gap == pytest.approx(best, abs=1e-6)
        assert best - 1e-6 <= found.bound <= best


def test_a_level_without_answer_lowers_the_questions(monkeypatch):
    """Set covers above 0.3 run out of time: what is proven below still counts."""
    entries = np.random.default_rng(1).uniform(size=(60, 12))
    exactly = search(TableRows(entries), 3, start=range(3), largest=np.inf, seconds_left=unlimited)
    assert exactly.gap > 0.4
    real = exact.cover

    def slow(covers, size, *, time_limit_seconds):
        decided = not (covers & (entries > 0.3)).any()
        return real(covers, size, time_limit_seconds=60) if decided else Cover(picks=None, impossible=False)

    monkeypatch.setattr(exact, "cover", slow)
    found = search(TableRows(entries), 3, start=range(3), largest=np.inf, seconds_left=unlimited)
    assert 0 < found.bound <= exactly.gap <= found.gap
