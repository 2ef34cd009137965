"""Bounds on J* against the closed-form truth, and the proof of the largest gap."""

import numpy as np
import pytest
from support.optimum_cases import check_random_problem, policies_of

from palm.errors import DataError, SelectionError, WeightsError
from palm.geometry.adaptive.envelope import fills_simplex, move_cost, upper_envelope
from palm.geometry.adaptive.face_plan import Face, corner_gaps
from palm.geometry.adaptive.optimum_bounds import bound_optimum
from palm.geometry.preferences.simplex import lattice


@pytest.mark.parametrize("first", range(0, 300, 60))
def test_no_violation_on_random_problems(first):
    for seed in range(first, first + 60):
        check_random_problem(seed)


def test_two_policies_by_hand():
    """L = max(v_1, v_2) and U = 1: the gap is 1/2 in the middle."""
    bounds = bound_optimum(np.eye(2), np.eye(2), [1.0, 1.0])
    gap = bounds.worst()
    assert gap.epsilon == pytest.approx(0.5, abs=1e-8)
    assert gap.additive_gap == pytest.approx(0.5, abs=1e-8)
    np.testing.assert_allclose(gap.worst_weights, [0.5, 0.5], atol=1e-8)
    assert bounds.worst(delta=0.1).epsilon == pytest.approx(0.4, abs=1e-8)
    np.testing.assert_allclose(bounds.lower([[0.2, 0.8]]), [0.8])
    np.testing.assert_allclose(bounds.upper([[0.2, 0.8]]), [1.0])


def test_missing_corners_have_the_trivial_bound():
    """One policy in the middle, worth 0.6 there: U falls from 1 at the corners to 0.6."""
    bounds = bound_optimum([[0.5, 0.5]], [[0.6, 0.6]], [0.6])
    np.testing.assert_allclose(bounds.upper([[1, 0], [0.75, 0.25], [0.5, 0.5]]), [1.0, 0.8, 0.6], atol=1e-9)
    gap = bounds.worst()
    assert gap.epsilon == pytest.approx(0.4, abs=1e-8)
    assert max(gap.worst_weights) == pytest.approx(1)


@pytest.mark.parametrize(("objectives", "divisions"), [(2, 2000), (3, 60)])
def test_the_gap_is_the_largest_on_a_dense_lattice(tabular, objectives, divisions):
    rng = np.random.default_rng(objectives)
    for seed in range(8):
        problem = tabular(seed, objectives)
        weights = np.vstack([np.eye(objectives), rng.dirichlet(np.ones(objectives), 4)])
        values = policies_of(problem, weights, factor=0.8)
        bounds = bound_optimum(weights, values, problem.optimum(weights))
        v = lattice(objectives, divisions)
        upper, lower = bounds.upper(v), bounds.lower(v)
        gap = bounds.worst(delta=0.01)
        # Both bounds change by at most 1 along an edge of the simplex.
        coarseness = objectives / divisions
        assert -1e-9 <= gap.additive_gap - (upper - lower).max() <= 2 * coarseness
        seen = ((upper - lower - 0.01) / upper).max()
        assert -1e-9 <= gap.epsilon - seen <= 4 * coarseness / upper.min()
        at_worst = (bounds.upper([gap.worst_weights]) - bounds.lower([gap.worst_weights]) - 0.01)[0]
        assert at_worst / bounds.upper([gap.worst_weights])[0] == pytest.approx(gap.epsilon, abs=1e-7)


@pytest.mark.parametrize("objectives", [2, 3, 4, 5])
def test_the_proof_by_cells_agrees_with_the_corner_weights(tabular, objectives):
    """Two ways to the largest gap: games on the cells of U, and U at the vertices of the regions of L."""
    rng = np.random.default_rng(objectives)
    for seed in range(6):
        problem = tabular(seed, objectives)
        weights = np.vstack([np.eye(objectives), rng.dirichlet(np.ones(objectives), 12)])
        values = policies_of(problem, weights, factor=1.2)
        bounds = bound_optimum(weights, values, problem.optimum(weights))
        face = Face(tuple(range(objectives)), values, bounds.envelope.points, bounds.envelope.bounds)
        found = corner_gaps(face, delta=0.01)
        assert bounds.worst(delta=0.01).epsilon == pytest.approx(max(found.gaps.max(), 0), abs=1e-7)


def test_a_closer_bound_is_used():
    """Training that stopped far from the optimum leaves u_k high; neighbours bound J* better there."""
    weights = np.array([[1.0, 0], [0, 1], [0.5, 0.5]])
    bounds = bound_optimum(weights, [[0.5, 0.1], [0.1, 0.5], [0.3, 0.3]], [0.5, 0.5, 0.9])
    assert bounds.upper([[0.5, 0.5]])[0] == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_a_hole_or_an_overlap_is_noticed(objectives):
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(objectives), 6)
    envelope = upper_envelope(weights, (weights**2).sum(axis=1))
    points, cells = envelope.points, envelope.cells
    assert fills_simplex(points, cells)
    assert len(cells) > 2
    for number in range(len(cells)):
        assert not fills_simplex(points, np.delete(cells, number, axis=0))
        assert not fills_simplex(points, np.vstack([cells, cells[number]]))
    assert not fills_simplex(points, np.vstack([cells, cells]))
    assert not fills_simplex(points, cells[:0])


@pytest.mark.parametrize("objectives", [2, 3, 4, 5])
def test_points_on_one_plane_fill_the_simplex(objectives):
    """A linear bound has many triangulations, and a lattice many points on a line."""
    points = lattice(objectives, 4)
    slope = np.linspace(0.2, 0.6, objectives)
    envelope = upper_envelope(points, points @ slope)
    v = np.random.default_rng(0).dirichlet(np.ones(objectives), 100)
    np.testing.assert_allclose(envelope.at(v), v @ slope, atol=1e-6)
    assert (envelope.at(v) >= v @ slope - 1e-12).all()


def test_moving_a_preference_costs_at_most_its_move(tabular):
    problem = tabular(0, 3)
    rng = np.random.default_rng(0)
    one, other = rng.dirichlet(np.ones(3), 200), rng.dirichlet(np.ones(3), 200)
    assert (problem.optimum(other) - problem.optimum(one) <= move_cost(one, to=other)).all()


def test_a_negative_value_needs_a_delta():
    """Each policy is worth -0.2 at the other's corner; between them the best is 0.15, of a bound of 0.5."""
    values = np.array([[0.5, -0.2], [-0.2, 0.5]])
    bounds = bound_optimum(np.eye(2), values, [0.5, 0.5])
    assert bounds.worst().epsilon == pytest.approx(0.7, abs=1e-8)
    alone = bound_optimum([[1.0, 0.0]], values[:1], [0.5])
    assert alone.worst().epsilon == pytest.approx(1.2, abs=1e-8)
    assert alone.worst(delta=0.2).epsilon == pytest.approx(1.0, abs=1e-8)


def test_contradictions_and_malformed_input_are_refused():
    with pytest.raises(DataError, match=r"bound 0.5 of policy 0: policy 1 attains 0.6 .* by at least 0.1"):
        bound_optimum(np.eye(2), [[0.5, 0.0], [0.6, 0.7]], [0.5, 0.7])
    with pytest.raises(DataError, match="must be as many"):
        bound_optimum(np.eye(2), np.eye(2), [1.0])
    with pytest.raises(DataError, match="must be as many"):
        bound_optimum(np.eye(2), np.eye(2), [1.0, np.nan])
    with pytest.raises(WeightsError, match="must sum to 1"):
        bound_optimum(2 * np.eye(2), np.eye(2), [1.0, 1.0])
    with pytest.raises(SelectionError, match="delta"):
        bound_optimum(np.eye(2), np.eye(2), [1.0, 1.0]).worst(delta=-0.1)
