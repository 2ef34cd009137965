"""The exact testbed: tabular KL-regularised problems with closed-form optima."""

from itertools import combinations

import numpy as np
import pytest
from testbed import draw_problem


@pytest.fixture(scope="session")
def tabular():
    """A function that draws a small tabular problem."""

    def draw(seed, objectives, *, beta=0.1, prompts=4, responses=12):
        return draw_problem(seed, objectives, prompts=prompts, responses=responses, beta=beta)

    return draw


@pytest.fixture(scope="session")
def corner_gap():
    """A certificate without a solver: the gap is largest at a vertex of the portfolio's upper envelope."""

    def gap(values, portfolio, delta=0.0):
        values = np.asarray(values)
        members, d = values[list(portfolio)], values.shape[1]
        # Rows (g, -c) of g · v - c t ≤ 0: members a_s · v ≤ t and bounds -v_i ≤ 0.
        rows = np.vstack([np.column_stack([members, -np.ones(len(members))]), np.eye(d + 1)[:d] * -1])
        total = np.append(np.ones(d), 0.0)
        worst = 0.0
        for chosen in combinations(range(len(rows)), d):
            system = np.vstack([rows[list(chosen)], total])
            if abs(np.linalg.det(system)) < 1e-12:
                continue
            corner = np.linalg.solve(system, np.append(np.zeros(d), 1.0))
            if (rows @ corner).max() > 1e-9:
                continue
            best = (values @ corner[:d]).max()
            worst = max(worst, (best - delta - corner[d]) / best)
        return worst

    return gap
