"""Everything that is promised, against the closed-form truth of 2,000 random tabular problems."""

import numpy as np
import pytest
from testbed import draw_problem

from palm.geometry.adaptive.optimum_bounds import bound_optimum
from palm.geometry.portfolio.certificate import VALUE_TOLERANCE, certify
from palm.geometry.portfolio.guarantee import Guarantee, cell_guarantee, compose
from palm.geometry.portfolio.smallest_delta import smallest_delta
from palm.geometry.portfolio.worst_case import lowest_value
from palm.geometry.preferences.cells import cell_boxes
from palm.geometry.preferences.grids import palm_grid

PROBLEMS_PER_DIMENSION = 500
POLICIES, MEMBERS = 7, 3
NOISE = 1e-12
"""Rounding of the closed forms."""


@pytest.mark.parametrize("objectives", [2, 3, 4, 5])
def test_every_promise_holds(objectives):
    tried = np.array([check_problem(number, objectives) for number in range(PROBLEMS_PER_DIMENSION)])
    in_cells, gaps = tried.T
    assert (in_cells > 0).mean() > 0.5, "the lemma must have been tried"
    assert (gaps > 0.01).mean() > 0.5, "the certificates must have had something to say"


def check_problem(number, objectives):
    """Check one random problem; gives how many preferences tried the lemma, and the certified gap."""
    rng = np.random.default_rng([number, objectives])
    problem = draw_problem(number, objectives, prompts=3, responses=8, beta=rng.uniform(0.03, 0.3))
    w = rng.dirichlet(np.full(objectives, 0.8), POLICIES)
    values = problem.value_vectors(w)
    v = np.vstack([rng.dirichlet(np.full(objectives, 0.7), 40), np.eye(objectives), w])
    optimum = problem.optimum(v)
    in_cell = check_lemma(problem, w[0], values[0], rng)
    gap = check_certificates(values, v, optimum, rng)
    bounds = bound_optimum(w, values, problem.optimum(w))
    assert (bounds.lower(v) <= optimum + NOISE).all()
    assert (bounds.upper(v) >= optimum - NOISE).all()
    return in_cell, gap


def check_lemma(problem, w, value_vector, rng):
    epsilon, delta = rng.uniform(0, 0.4), rng.uniform(0, 0.05)
    box = cell_boxes(w, epsilon=epsilon, delta=delta)
    v = rng.dirichlet(40 * w + 0.3, 30)
    v = v[((v >= box.lows[0]) & (v <= box.highs[0])).all(axis=1)]
    if not len(v):
        return 0
    concerned = np.vstack([w, v])
    promise = cell_guarantee(
        epsilon,
        delta,
        reward_max=problem.expected_rewards(concerned).sum(axis=1).max(),
        cost_max=problem.regulariser(concerned).max(),
    )
    assert (v @ value_vector >= (1 - promise.epsilon) * problem.optimum(v) - promise.delta - NOISE).all()
    return len(v)


def check_certificates(values, v, optimum, rng):
    portfolio = sorted(rng.choice(POLICIES, MEMBERS, replace=False).tolist())
    needed = max(0.0, -lowest_value(values[portfolio]).value)
    certificate = certify(values, portfolio, delta=needed + rng.choice([0.0, rng.uniform(0, 0.05)]))
    other_way = smallest_delta(values, portfolio, epsilon=rng.uniform(0, 0.2))
    trained, served = (v @ values.T).max(axis=1), (v @ values[portfolio].T).max(axis=1)
    delta = rng.uniform(0, 0.02)
    # What the trained policies guarantee to these preferences, from the truth.
    against_optimum = Guarantee(epsilon=float(np.clip(1 - (trained + delta) / optimum, 0, 1).max()), delta=delta)
    for proof in (certificate, other_way):
        assert proof.shortfall(values) <= VALUE_TOLERANCE
        assert (served >= (1 - proof.epsilon) * trained - proof.delta - VALUE_TOLERANCE).all()
        worst = proof.worst_weights
        best = (values @ worst).max()
        attained = (values[portfolio] @ worst).max() - ((1 - proof.epsilon) * best - proof.delta)
        assert attained <= 2e-6 or proof.epsilon == 0 or proof.delta == 0
        promise = compose(against_optimum, Guarantee(epsilon=proof.epsilon, delta=proof.delta))
        assert (served >= (1 - promise.epsilon) * optimum - promise.delta - VALUE_TOLERANCE).all()
    assert (trained - served).max() <= certificate.additive_gap + VALUE_TOLERANCE
    return certificate.epsilon


def test_closed_forms_agree(tabular):
    problem = tabular(0, 3)
    weights = np.random.default_rng(0).dirichlet(np.ones(3), 50)
    worth = problem.value_vectors(weights) @ weights.T
    np.testing.assert_allclose(np.diag(worth), problem.optimum(weights), atol=1e-12)
    assert (worth <= problem.optimum(weights)[None] + 1e-12).all()


def test_a_covering_grid_serves_everyone(tabular):
    epsilon, delta = 0.2, 0.05
    grid = palm_grid(3, epsilon=epsilon, delta=delta)
    problem = tabular(7, 3, beta=0.05)
    v = np.random.default_rng(1).dirichlet(np.full(3, 0.5), 2000)
    served = (v @ problem.value_vectors(grid).T).max(axis=1)
    assert (served >= (1 - 2 * epsilon) * problem.optimum(v) - 2 * (delta * 3 + epsilon)).all()
