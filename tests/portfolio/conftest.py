"""The exact testbed: tabular KL-regularised problems with closed-form optima."""

from dataclasses import dataclass

import numpy as np
import pytest


@dataclass(frozen=True, eq=False)
class Tabular:
    """Rewards (X, Y, d), reference (X, Y) and β of a tabular problem."""

    rewards: np.ndarray
    reference: np.ndarray
    beta: float

    def policies(self, weights):
        """π_w(y|x) ∝ π_ref(y|x) exp(w · r / β) for each row of weights, shape (n, X, Y)."""
        tilt = np.log(self.reference) + np.einsum("xyd,nd->nxy", self.rewards, np.atleast_2d(weights)) / self.beta
        raw = np.exp(tilt - tilt.max(axis=2, keepdims=True))
        return raw / raw.sum(axis=2, keepdims=True)

    def expected_rewards(self, weights):
        """R_i(π_w), shape (n, d)."""
        return np.einsum("nxy,xyd->nd", self.policies(weights), self.rewards) / len(self.reference)

    def regulariser(self, weights):
        """β · mean KL(π_w ‖ π_ref), shape (n,)."""
        policies = self.policies(weights)
        logs = np.log(np.maximum(policies, 1e-300) / self.reference)
        return np.maximum(self.beta * (policies * logs).sum(axis=2).mean(axis=1), 0)

    def value_vectors(self, weights):
        """a_k = R(π_k) - f(π_k) · 1, shape (n, d)."""
        return self.expected_rewards(weights) - self.regulariser(weights)[:, None]

    def optimum(self, weights):
        """J*(w) = β E_x log Σ_y π_ref exp(w · r / β), shape (n,)."""
        tilt = np.einsum("xyd,nd->nxy", self.rewards, np.atleast_2d(weights)) / self.beta
        top = tilt.max(axis=2)
        return self.beta * (top + np.log((self.reference * np.exp(tilt - top[:, :, None])).sum(axis=2))).mean(axis=1)


@pytest.fixture(scope="session")
def tabular():
    """A function that draws a tabular problem."""

    def draw(seed, objectives, *, beta=0.1, prompts=4, responses=12):
        rng = np.random.default_rng(seed)
        return Tabular(
            rewards=rng.random((prompts, responses, objectives)),
            reference=rng.dirichlet(np.ones(responses), prompts),
            beta=beta,
        )

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
        for chosen in _combinations(len(rows), d):
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


def _combinations(count, size):
    from itertools import combinations

    return combinations(range(count), size)
