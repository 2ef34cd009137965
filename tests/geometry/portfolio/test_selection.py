"""Selections against brute force."""

from itertools import combinations

import numpy as np
import pytest
from support.measurements import value_table

from palm.errors import SelectionError
from palm.geometry.portfolio import exact
from palm.geometry.portfolio.certificate import certify
from palm.geometry.portfolio.selection import describe_selection, select
from palm.geometry.portfolio.set_cover import Cover
from palm.geometry.portfolio.size_gap_curve import size_gap_curve
from palm.geometry.portfolio.statistics import largest_loss
from palm.geometry.preferences.levels import pivot_grid


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_exact_equals_brute_force(objectives):
    """At least 200 random cases: the best subset by the certificate itself, and greedy never better."""
    rng = np.random.default_rng(objectives)
    greedy_worse = 0
    for _ in range(70):
        policies = int(rng.integers(2, 7))
        values = rng.uniform(0.05, 1, (policies, objectives))
        size = int(rng.integers(1, policies))
        delta = float(rng.choice([0.0, 0.0, 0.03]))
        best = min(certify(values, subset, delta=delta).epsilon for subset in combinations(range(policies), size))
        chosen = select(values, size, delta=delta)
        greedy = select(values, size, method="greedy", delta=delta)
        assert chosen.epsilon == pytest.approx(best, abs=2e-6)
        assert chosen.epsilon_bound <= best + 1e-9
        assert chosen.epsilon - chosen.epsilon_bound <= 2e-6
        assert chosen.epsilon <= greedy.epsilon + 1e-12
        assert len(chosen.indices) == len(greedy.indices) == size
        greedy_worse += greedy.epsilon > chosen.epsilon + 1e-6
    assert greedy_worse >= 1, "the comparison must be able to tell the methods apart"


def test_exact_is_proven_on_the_testbed(tabular):
    """48 policies of the palm grid, d = 3, K = 5: bound and value meet, and greedy is not better."""
    values = tabular(0, 3, beta=0.05).value_vectors(pivot_grid(3, (0.01214, 0.06102, 0.18886, 0.57117)))
    chosen, greedy = select(values, 5), select(values, 5, method="greedy")
    assert chosen.method == "exact"
    assert chosen.epsilon - chosen.epsilon_bound <= 2e-6
    assert chosen.epsilon <= greedy.epsilon
    assert greedy.epsilon_bound == 0
    assert chosen.certificate.portfolio == chosen.indices == tuple(sorted(chosen.indices))
    np.testing.assert_array_equal(chosen.worst_weights, chosen.certificate.worst_weights)
    rng = np.random.default_rng(0)
    assert all(certify(values, rng.choice(48, 5, replace=False)).epsilon >= chosen.epsilon for _ in range(30))


def test_unanswered_set_covers_leave_an_honest_bound(tabular, monkeypatch):
    """When no set cover is answered, greedy's portfolio stands and nothing is proven."""
    values = tabular(1, 3).value_vectors(np.random.default_rng(0).dirichlet(np.ones(3), 15))
    monkeypatch.setattr(exact, "cover", lambda *_, **__: Cover(picks=None, impossible=False))
    chosen = select(values, 3)
    assert chosen.epsilon_bound == 0
    assert chosen.epsilon == select(values, 3, method="greedy").epsilon


def test_size_of_all_takes_all():
    values = np.random.default_rng(0).uniform(0.1, 1, (4, 2))
    for size in (4, 9):
        assert select(values, size).indices == (0, 1, 2, 3)
        assert select(values, size, method="greedy").epsilon == 0


@pytest.mark.parametrize("method", ["exact", "greedy"])
def test_only_candidates_are_chosen_and_all_policies_are_compared_with(method):
    rng = np.random.default_rng(4)
    for _ in range(15):
        values = rng.uniform(0.05, 1, (9, 3))
        candidates = sorted(rng.choice(9, 5, replace=False).tolist())
        best = min(certify(values, subset).epsilon for subset in combinations(candidates, 2))
        chosen = select(values, 2, method=method, candidates=candidates)
        assert set(chosen.indices) <= set(candidates)
        assert chosen.epsilon >= best - 1e-9
        if method == "exact":
            assert chosen.epsilon == pytest.approx(best, abs=2e-6)
            assert chosen.epsilon_bound <= best + 1e-9
    assert select(values, 5, method=method, candidates=candidates).indices == tuple(candidates)
    with pytest.raises(SelectionError, match=r"portfolio=\[9\]"):
        select(values, 2, method=method, candidates=[9])


def test_places_left_over_go_to_the_most_useful():
    """One policy is best everywhere; the second place goes to the better of the rest... which adds nothing."""
    values = [[0.9, 0.9], [0.5, 0.8], [0.1, 0.1]]
    chosen = select(values, 2)
    assert chosen.epsilon == 0
    assert 0 in chosen.indices
    assert len(chosen.indices) == 2


def test_no_portfolio_of_the_size():
    values = [[0.9, -0.2], [-0.2, 0.9]]
    with pytest.raises(SelectionError, match=r"size=1, delta=0.0: no portfolio of this size.*allow a delta"):
        select(values, 1)
    assert select(values, 1, delta=0.2).epsilon == pytest.approx(1, abs=1e-8)
    assert select(values, 2).epsilon == 0


def test_negative_best_value_is_an_error():
    with pytest.raises(SelectionError, match=r"preference \[0.0, 1.0\].*allow a delta of at least 0.3"):
        select([[0.5, -0.3], [0.4, -0.4], [0.1, -0.3]], 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 0}, "size=0: must be an integer of at least 1"),
        ({"size": 1.5}, "size=1.5"),
        ({"method": "greedi"}, "method='greedi': must be one of exact, greedy; did you mean 'greedy'"),
        ({"delta": -1}, "delta=-1"),
    ],
)
def test_bad_arguments(changes, message):
    arguments = {"size": 1} | changes
    with pytest.raises(SelectionError, match=message):
        select([[0.5, 0.6], [0.6, 0.5]], arguments.pop("size"), **arguments)


def test_curve_falls_and_ends_at_zero(tabular):
    values = tabular(3, 3).value_vectors(np.random.default_rng(1).dirichlet(np.ones(3), 9))
    curve = size_gap_curve(values)
    assert [point.size for point in curve] == list(range(1, 10))
    for field in ("exact", "greedy"):
        gaps = [getattr(point, field) for point in curve]
        assert gaps == sorted(gaps, reverse=True)
        assert gaps[-1] == 0
    assert all(point.bound <= point.exact <= point.greedy + 1e-12 for point in curve)
    assert all(point.exact - point.bound <= 2e-6 for point in curve)


def test_curve_starts_where_a_gap_exists():
    values = [[0.9, -0.2], [-0.2, 0.9]]
    assert [point.size for point in size_gap_curve(values)] == [2]


def test_a_description_has_names_and_plain_numbers(tabular):
    weights = np.random.default_rng(2).dirichlet(np.ones(3), 10)
    problem = tabular(5, 3)
    table = value_table(problem.expected_rewards(weights), problem.regulariser(weights))
    selection = select(table.value_vectors, 3)
    described = describe_selection(table, selection)
    assert described["size"] == 3
    assert described["portfolio"] == [f"p{index}" for index in selection.indices] == list(described["usage"])
    assert sum(described["usage"].values()) == pytest.approx(1)
    numbers = [*described["worst_weights"], *described["usage"].values(), described["epsilon"]]
    assert all(type(number) is float for number in numbers)


@pytest.mark.parametrize("seed", range(40))
def test_with_a_floor_the_best_of_all_portfolios_that_reach_it_is_found(seed):
    """Against brute force over all portfolios; in some cases the best one of all does not reach the floor."""
    rng = np.random.default_rng(seed)
    count, size = int(rng.integers(5, 8)), int(rng.integers(2, 4))
    values = rng.uniform(0.2, 0.8, (count, int(rng.integers(2, 4))))
    floor = values[rng.choice(count, size, replace=False)] - rng.choice([0.0, 0.02, 0.05])
    reaching = [
        certify(values, members).epsilon
        for members in combinations(range(count), size)
        if largest_loss(floor, values[list(members)]).loss <= 2e-8
    ]
    found = select(values, size, floor=floor)
    assert largest_loss(floor, values[list(found.indices)]).loss <= 2e-8
    assert found.epsilon == pytest.approx(min(reaching), abs=2e-6)
    assert found.bound <= found.epsilon


def test_a_floor_that_no_portfolio_reaches_is_an_error():
    values = np.array([[0.6, 0.2], [0.2, 0.6], [0.5, 0.5]])
    with pytest.raises(SelectionError):
        select(values, 2, floor=np.array([[0.6, 0.6]]))
    with pytest.raises(SelectionError, match="misses what is asked for some preference"):
        select(values, 3, floor=np.array([[0.7, 0.1]]))
