"""Lower bounds on the size of a cover."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from palm.geometry.preferences.cells import in_cell
from palm.geometry.preferences.grids import palm_grid
from palm.geometry.preferences.packing import incompatible, pack_preferences


@given(st.integers(2, 5), st.integers(0, 10**6), st.floats(0, 0.6), st.floats(0, 0.2))
def test_incompatible_means_that_no_vector_serves_both(objectives, seed, epsilon, delta):
    """Against a linear program that looks for a w on the simplex with both in its cell."""
    first, second = np.random.default_rng(seed).dirichlet(np.ones(objectives), 2)
    reach = [(np.maximum(v - epsilon * v - delta, 0), v + epsilon * v + delta) for v in (first, second)]
    bounds = list(zip(np.maximum(reach[0][0], reach[1][0]), np.minimum(reach[0][1], reach[1][1]), strict=True))
    if any(low > high for low, high in bounds):
        possible = False
    else:
        found = linprog(np.zeros(objectives), A_eq=np.ones((1, objectives)), b_eq=[1], bounds=bounds)
        possible = found.status == 0
    assert bool(incompatible(first, second, epsilon=epsilon, delta=delta)) != possible


def test_packing_is_pairwise_incompatible_and_every_vector_serves_at_most_one():
    packing = pack_preferences(3, epsilon=0.4, delta=0.0125)
    points = packing.points
    assert packing.bound == len(points) == packing.weights.sum()
    pairs = incompatible(points[:, None], points[None], epsilon=0.4, delta=0.0125)
    assert (pairs | np.eye(len(points), dtype=bool)).all()
    w = np.random.default_rng(0).dirichlet(np.full(3, 0.5), 20000)
    assert in_cell(points[None], w[:, None], epsilon=0.4, delta=0.0125).sum(axis=1).max() == 1


def test_bound_at_figure_1():
    assert 30 <= pack_preferences(3, epsilon=0.4, delta=0.0125).bound <= 36


@pytest.mark.parametrize(
    ("objectives", "epsilon", "delta"), [(2, 0.4, 0.0125), (3, 0.4, 0.0125), (4, 0.4, 0.05), (2, 0.0, 0.1)]
)
def test_bound_is_at_most_any_cover(objectives, epsilon, delta):
    bound = pack_preferences(objectives, epsilon=epsilon, delta=delta).bound
    assert 1 <= bound <= len(palm_grid(objectives, epsilon=epsilon, delta=delta))


def test_bound_is_exact_in_a_simple_case():
    """Two objectives, ε' = 0, δ' = 1/4: two intervals of length 1/2 cover [0, 1], one does not."""
    assert pack_preferences(2, epsilon=0, delta=0.2499).bound in {2, 3}
    assert pack_preferences(2, epsilon=0, delta=0.5).bound == 1
