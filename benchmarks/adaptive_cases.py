"""Policies needed to certify a gap to the true optimum: rounds of training against fixed designs.

Everyone is measured alike: the number of policies, corners included, after which the bounds of
``palm.geometry.adaptive.optimum_bounds`` certify the target on the exact testbed. The fixed designs that lack
the corners get them first: without them no bound below 1 is known there.
"""

from contextlib import redirect_stdout
from io import StringIO

import numpy as np
from scipy.optimize import linprog
from testbed import draw_problem

from palm.geometry.adaptive.next_batch import adaptive_design
from palm.geometry.adaptive.optimum_bounds import bound_optimum
from palm.geometry.preferences.grids import palm_grid, random_grid, uniform_grid
from palm.geometry.preferences.simplex import lattice_size

TARGETS = {2: (0.10, 0.05, 0.02), 3: (0.10, 0.05, 0.02), 4: (0.10, 0.05)}
"""Gaps to certify, by number of objectives: at four, 2 % takes more policies than a benchmark should wait for."""

PROBLEMS = 10
"""Problems of the testbed, from seed 0, at the target of 5 %."""

PROBLEMS_WHERE_SLOW = 3
"""Problems for the other targets of the adaptive design at three and four objectives."""

LINEAR_SUPPORT_PROBLEMS = {2: 10, 3: 3, 4: 1}
"""Problems for LinearSupport: at four objectives one takes minutes."""

MOST_POLICIES = {2: 60, 3: 120, 4: 160}
"""A design that has not met a target with this many policies is not followed further."""

MOST_LINEAR_SUPPORT = {2: 15, 3: 60, 4: 65}
"""The same for LinearSupport, whose rounds grow slow: it solves a program for each corner weight in each."""

PALM_ACCURACY = {2: (0.1, 0.002), 3: (0.3, 0.005), 4: (0.4, 0.0125)}
"""(ε', δ') of the palm grid: fine enough to hold ``MOST_POLICIES`` vectors or so."""


def policies_needed():
    """Count the policies that each method needs, over the exact testbed.

    Returns:
        List of dicts with ``objectives``, ``target``, ``method``, ``policies`` (the median; None if most runs did
        not get there), ``problems`` (how many) and ``runs`` (the count of each; None where the target was not met
        with the most policies followed).

    Raises:
        RuntimeError: morl-baselines is not installed.
    """
    support = linear_support_class()
    rows = []
    for d in TARGETS:
        problems = [draw_problem(seed, d) for seed in range(PROBLEMS)]
        for target in TARGETS[d]:
            chosen = problems if d == 2 or target == 0.05 else problems[:PROBLEMS_WHERE_SLOW]
            for batch in (1, 4):
                runs = [adaptive_count(problem, d, target=target, batch=batch) for problem in chosen]
                rows.append(_row(d, target, f"adaptive({batch})", runs))
        epsilon, delta = PALM_ACCURACY[d]
        grid = palm_grid(d, epsilon=epsilon, delta=delta)
        sequences = {
            "palm": [grid] * len(problems),
            "random": [random_grid(d, MOST_POLICIES[d], seed=seed) for seed in range(len(problems))],
        }
        for method, designs in sequences.items():
            counts = [
                prefix_counts(problem, with_corners(design)[: MOST_POLICIES[d]])
                for problem, design in zip(problems, designs, strict=True)
            ]
            rows += _rows(d, method, counts)
        rows += _rows(d, "uniform", [lattice_counts(problem, d) for problem in problems])
        supports = [linear_support(problem, d, support) for problem in problems[: LINEAR_SUPPORT_PROBLEMS[d]]]
        counts = [prefix_counts(problem, chosen) for problem, chosen in zip(problems, supports, strict=False)]
        rows += _rows(d, "LinearSupport", counts)
    return rows


def adaptive_count(problem, objectives, *, target, batch):
    """Count the policies of an adaptive design; all policies are exact."""
    design = adaptive_design(
        lambda weights: (problem.value_vectors(weights), problem.optimum(weights)),
        objectives,
        target=target,
        batch=batch,
    )
    return len(design.weights)


def certified_gap(problem, weights):
    """Certify the gap of the exact policies for some preferences."""
    return bound_optimum(weights, problem.value_vectors(weights), problem.optimum(weights)).worst().epsilon


def with_corners(weights):
    """Put the corners of the simplex first; a vector is not trained twice."""
    corners = np.eye(weights.shape[1])
    is_corner = weights.max(axis=1) == 1
    return np.vstack([corners, weights[~is_corner]])


def prefix_counts(problem, weights):
    """Count for each target how many vectors, in their order, certify it; None if all do not.

    More policies never widen the gap, so bisection finds the first count.
    """
    counts, low = {}, weights.shape[1]
    for target in TARGETS[weights.shape[1]]:
        high = len(weights)
        if low > high or certified_gap(problem, weights) > target:
            counts[target] = None
            continue
        while low < high:
            middle = (low + high) // 2
            if certified_gap(problem, weights[:middle]) <= target:
                high = middle
            else:
                low = middle + 1
        counts[target] = low
    return counts


def lattice_counts(problem, objectives):
    """Find for each target the coarsest simplex lattice that certifies it; None beyond the most policies."""
    counts, divisions = dict.fromkeys(TARGETS[objectives]), 1
    while None in counts.values() and lattice_size(objectives, divisions) <= MOST_POLICIES[objectives]:
        size = lattice_size(objectives, divisions)
        gap = certified_gap(problem, uniform_grid(objectives, size))
        for target in counts:
            if counts[target] is None and gap <= target:
                counts[target] = size
        divisions += 1
    return counts


def linear_support_class():
    """Import LinearSupport of morl-baselines.

    Raises:
        RuntimeError: it is not installed.
    """
    try:
        from morl_baselines.multi_policy.linear_support.linear_support import LinearSupport
    except ImportError as error:
        raise RuntimeError(
            f"morl-baselines cannot be imported ({error}): install the benchmark extra, pip install -e '.[bench]'"
        ) from error
    return LinearSupport


def linear_support(problem, objectives, support_class):
    """Let LinearSupport choose preferences in its own order and give it the exact policies.

    Its optimistic bound, a linear program for each corner weight and round, is solved by HiGHS directly instead of
    through CVXPY, which takes most of the time and minutes for a design; the program is the same.

    Returns:
        The preferences, shape (n, d): up to the most policies followed or until it says that it is done.
    """

    class LinearSupportByHighs(support_class):
        def max_value_lp(self, w_new):
            visited = np.vstack(self.visited_weights)
            known = [self.max_scalarized_value(weights) for weights in self.visited_weights]
            result = linprog(-w_new, A_ub=visited, b_ub=known, bounds=(None, None), method="highs")
            return -result.fun if result.status == 0 else np.inf

    support = LinearSupportByHighs(num_objectives=objectives, epsilon=0.0, verbose=False)
    chosen = []
    # It prints what it removes, verbose or not.
    with redirect_stdout(StringIO()):
        while len(chosen) < MOST_LINEAR_SUPPORT[objectives]:
            weights = support.next_weight(algo="ols")
            if weights is None:
                break
            chosen.append(np.asarray(weights, dtype=np.float64))
            support.add_solution(problem.value_vectors(chosen[-1])[0], chosen[-1])
    return np.array(chosen)


def _rows(objectives, method, counts):
    return [_row(objectives, target, method, [count[target] for count in counts]) for target in TARGETS[objectives]]


def _row(objectives, target, method, runs):
    met = [np.inf if run is None else run for run in runs]
    median = float(np.median(met))
    return {
        "objectives": objectives,
        "target": target,
        "method": method,
        "policies": median if np.isfinite(median) else None,
        "problems": len(runs),
        "runs": runs,
    }
