"""Lemma 3.2 on problems whose optima are known in closed form."""

import numpy as np
import pytest

from palm.geometry.preferences.cells import cell_boxes
from palm.geometry.preferences.coverage import check_coverage
from palm.geometry.preferences.grids import palm_grid


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_a_policy_serves_its_cell(tabular, objectives):
    """J_v(π_w) ≥ (1 - 2ε') J*(v) - 2(δ' R_max + ε' f_max) for v in the cell of w."""
    rng = np.random.default_rng(objectives)
    tested = 0
    for seed in range(30):
        problem = tabular(seed, objectives, beta=rng.uniform(0.03, 0.3))
        epsilon, delta = rng.uniform(0, 0.4), rng.uniform(0, 0.05)
        w = rng.dirichlet(np.ones(objectives))
        box = cell_boxes(w, epsilon=epsilon, delta=delta)
        v = rng.dirichlet(40 * w + 0.3, 200)
        v = v[((v >= box.lows[0]) & (v <= box.highs[0])).all(axis=1)]
        if not len(v):
            continue
        tested += 1
        optimum = problem.optimum(v)
        reward_max = max(problem.expected_rewards(np.vstack([w, v])).sum(axis=1))
        cost_max = max(problem.regulariser(np.vstack([w, v])))
        bound = (1 - 2 * epsilon) * optimum - 2 * (delta * reward_max + epsilon * cost_max)
        assert (v @ problem.value_vectors(w)[0] >= bound - 1e-12).all()
    assert tested >= 20


def test_closed_forms_agree(tabular):
    """J* is what the optimal policy attains, and no other policy attains more."""
    problem = tabular(0, 3)
    weights = np.random.default_rng(0).dirichlet(np.ones(3), 50)
    worth = problem.value_vectors(weights) @ weights.T
    np.testing.assert_allclose(np.diag(worth), problem.optimum(weights), atol=1e-12)
    assert (worth <= problem.optimum(weights)[None] + 1e-12).all()


def test_a_covering_grid_serves_everyone(tabular):
    """The guarantee of a covered grid, checked at sampled preferences."""
    epsilon, delta = 0.2, 0.05
    grid = palm_grid(3, epsilon=epsilon, delta=delta)
    assert check_coverage(grid, epsilon=epsilon, delta=delta).covered
    problem = tabular(7, 3, beta=0.05)
    v = np.random.default_rng(1).dirichlet(np.full(3, 0.5), 2000)
    served = (v @ problem.value_vectors(grid).T).max(axis=1)
    bound = (1 - 2 * epsilon) * problem.optimum(v) - 2 * (delta * 3 + epsilon)
    assert (served >= bound).all()
