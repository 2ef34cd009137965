"""Five policies predicted from reference rollouts, against training many and pruning, by the true worst-case gap."""

import numpy as np
from testbed import draw_problem

from palm.geometry.adaptive.predicted import predict, predicted_design
from palm.geometry.portfolio.selection import select
from palm.geometry.preferences.grids import palm_grid
from palm.geometry.preferences.simplex import lattice

SEEDS = range(20)
PROMPTS, RESPONSES, SAMPLES, SIZE = 60, 200, 32, 5
MANY_SAMPLES = 512
"""So many that their error is negligible: the best case of the method."""

TRUTH_DIVISIONS = 100
"""True gaps are looked at on a lattice of 5,151 preferences."""


def predicted_rows(seeds=SEEDS):
    """Compare ways to get five policies at d = 3, one row for each way.

    Returns:
        List of dicts: way, trained (how many policies have to be trained), gap (median true worst-case gap against
        the true J*), ratio (to ``palm`` 48 trained and greedily pruned).
    """
    truth = lattice(3, TRUTH_DIVISIONS)
    gaps = np.array([_gaps(seed, truth) for seed in seeds])
    medians = np.median(gaps, axis=0)
    return [
        {"way": way, "trained": trained, "gap": float(gap), "ratio": float(gap / medians[0])}
        for (way, trained), gap in zip(WAYS, medians, strict=True)
    ]


WAYS = (
    ("palm 48, greedily pruned to 5", 48),
    ("palm 48, exactly pruned to 5", 48),
    ("5 at random", 5),
    ("predicted: best 5 of the lattice of step 1/8 on the candidates' value vectors", 5),
    ("predicted: 5, refined", 5),
    ("palm 48, all kept", 48),
    ("predicted: 5, refined, from 512 rollouts a prompt", 5),
)


def _gaps(seed, truth):
    """Compute the true worst-case gaps of all ways on one problem."""
    problem = draw_problem(seed, 3, prompts=PROMPTS, responses=RESPONSES)
    palm = palm_grid(3, epsilon=0.4, delta=0.0125)
    trained = problem.value_vectors(palm)
    rollouts = problem.sample(SAMPLES, seed=seed)
    candidates = lattice(3, 8)
    plain = select(predict(rollouts, candidates, beta=problem.beta).value_vectors, SIZE).indices
    optimum = np.concatenate([problem.optimum(rows) for rows in np.array_split(truth, 12)])
    portfolios = (
        palm[list(select(trained, SIZE, method="greedy").indices)],
        palm[list(select(trained, SIZE).indices)],
        np.random.default_rng(seed).dirichlet(np.ones(3), SIZE),
        candidates[list(plain)],
        predicted_design(rollouts, SIZE, beta=problem.beta).weights,
        palm,
        predicted_design(problem.sample(MANY_SAMPLES, seed=seed + 1000), SIZE, beta=problem.beta).weights,
    )
    return [
        float(((optimum - (truth @ problem.value_vectors(weights).T).max(axis=1)) / optimum).max())
        for weights in portfolios
    ]
