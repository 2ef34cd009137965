"""Exact selection against greedy on the exact testbed: gap, proven bound and time."""

import time
from itertools import product

import numpy as np
from testbed import draw_problem

from palm.geometry.portfolio.selection import select
from palm.geometry.preferences.grids import palm_grid
from palm.progress import deadline

SEEDS = range(20)
SIZES = (3, 4, 5, 6)
LARGE = {"objectives": 5, "policies": 200, "size": 8, "seconds": 100.0}


def palm_values(seed):
    """Value vectors of the 48 optimal policies of the palm grid (0.4, 0.0125), d = 3, shape (48, 3)."""
    return draw_problem(seed, 3).value_vectors(palm_grid(3, epsilon=0.4, delta=0.0125))


def random_values(seed):
    """Value vectors of the optimal policies of 48 random weights, d = 3, shape (48, 3)."""
    return draw_problem(seed, 3).value_vectors(np.random.default_rng(seed).dirichlet(np.ones(3), 48))


POLICIES = {"palm": palm_values, "random": random_values}
"""Preference weights of the policies that are compared."""


def selection_rows(seeds=SEEDS, sizes=SIZES):
    """Compare exact and greedy for n = 48, d = 3, one row for each kind of policies and each size.

    Returns:
        List of dicts: policies (``palm`` or ``random``), size, problems, exact and greedy (median ε), ratios (exact /
        greedy of each), proven (how many to 1e-6), seconds and most_seconds (median and largest time of exact).
    """
    rows = []
    for policies, size in product(POLICIES, sizes):
        problems = [POLICIES[policies](seed) for seed in seeds]
        exact, seconds = zip(*(_timed(values, size) for values in problems), strict=True)
        greedy = [select(values, size, method="greedy") for values in problems]
        rows.append(
            {
                "policies": policies,
                "size": size,
                "problems": len(problems),
                "exact": _median(chosen.epsilon for chosen in exact),
                "greedy": _median(chosen.epsilon for chosen in greedy),
                "ratios": [one.epsilon / other.epsilon for one, other in zip(exact, greedy, strict=True)],
                "proven": sum(chosen.epsilon - chosen.epsilon_bound <= 2e-6 for chosen in exact),
                "seconds": float(np.median(seconds)),
                "most_seconds": max(seconds),
            }
        )
    return rows


def large_selection_rows(seeds=(0, 1, 2)):
    """Select 8 of 200 policies for random weights at d = 5, one row for each seed.

    Returns:
        List of dicts: seed, exact, bound, greedy (ε), seconds.
    """
    rows = []
    for seed in seeds:
        weights = np.random.default_rng(seed).dirichlet(np.ones(LARGE["objectives"]), LARGE["policies"])
        values = draw_problem(seed, LARGE["objectives"]).value_vectors(weights)
        chosen, seconds = _timed(values, LARGE["size"], seconds_left=deadline(LARGE["seconds"]))
        greedy = select(values, LARGE["size"], method="greedy")
        rows.append(
            {
                "seed": seed,
                "exact": chosen.epsilon,
                "bound": chosen.epsilon_bound,
                "greedy": greedy.epsilon,
                "seconds": seconds,
            }
        )
    return rows


def _timed(values, size, **options):
    start = time.perf_counter()
    chosen = select(values, size, **options)
    return chosen, time.perf_counter() - start


def _median(numbers):
    return float(np.median(list(numbers)))
