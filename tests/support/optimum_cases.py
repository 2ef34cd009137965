"""Random tabular problems on which bounds on the optimum must hold."""

import numpy as np
from testbed import Tabular, draw_problem

from palm.geometry.adaptive.optimum_bounds import bound_optimum
from palm.geometry.preferences.simplex import lattice


def policies_of(problem, weights, *, factor):
    """Value vectors of policies trained with β times a factor: known, and optimal only at factor 1."""
    other = Tabular(problem.rewards, problem.reference, problem.beta * factor)
    return other.expected_rewards(weights) - other.regulariser(weights)[:, None] / factor


def check_random_problem(seed):
    """Check the bounds on J* and the certified gap on a random tabular problem with some policies."""
    rng = np.random.default_rng(seed)
    d = int(rng.integers(2, 5))
    problem = draw_problem(seed, d, prompts=3, responses=6, beta=rng.uniform(0.03, 0.4))
    weights = _awkward_weights(rng, d)
    values = policies_of(problem, weights, factor=rng.choice([1.0, 0.7, 1.5]))
    bounds = bound_optimum(weights, values, problem.optimum(weights))
    delta = rng.choice([0.0, 0.02])
    gap = bounds.worst(delta=delta)
    v = np.vstack([rng.dirichlet(np.ones(d), 490), rng.dirichlet(np.full(d, 0.1), 10), weights])
    optimum, lower, upper = problem.optimum(v), bounds.lower(v), bounds.upper(v)
    assert (lower <= optimum).all()
    assert (optimum <= upper).all()
    best = (v @ values.T).max(axis=1)
    assert (best >= (1 - gap.epsilon) * optimum - delta).all()
    assert (optimum - best).max() <= gap.additive_gap
    assert max(gap.attained, 0) <= gap.epsilon <= max(gap.attained, 0) + 1e-7


def _awkward_weights(rng, d):
    """Random preferences, often with corners, faces, equal or almost equal ones."""
    weights = rng.dirichlet(np.full(d, rng.choice([0.3, 2.0])), int(rng.integers(1, 10)))
    kind = rng.integers(4)
    if kind == 1:
        return np.vstack([np.eye(d), weights])
    if kind == 2:
        near = [(weights[0] + step * np.eye(d)[0]) / (1 + step) for step in (0, 1e-12, 1e-9, 1e-7)]
        return np.vstack([weights, near])
    if kind == 3:
        return np.vstack([np.eye(d), lattice(d, 2)[rng.integers(0, d, 3)], lattice(d, 4)])
    return weights
