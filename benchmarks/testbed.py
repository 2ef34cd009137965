"""The exact testbed: tabular KL-regularised problems whose optimal policies have closed forms."""

from dataclasses import dataclass

import numpy as np

BETA = 0.1
"""β of the problems that the benchmarks report on."""

PROMPTS, RESPONSES = 40, 24
"""Size of the problems that the benchmarks report on."""


@dataclass(frozen=True, eq=False)
class Tabular:
    """A finite problem: every response to every prompt is listed.

    Attributes:
        rewards: r_i(x, y), shape (X, Y, d), in [0, 1].
        reference: π_ref(y|x), shape (X, Y), rows summing to 1.
        beta: β > 0.
    """

    rewards: np.ndarray
    reference: np.ndarray
    beta: float

    def policies(self, weights):
        """π_w(y|x) ∝ π_ref(y|x) exp(w · r / β) for each row of weights, shape (n, X, Y)."""
        tilt = np.log(self.reference) + self._scalarised(weights) / self.beta
        raw = np.exp(tilt - tilt.max(axis=2, keepdims=True))
        return raw / raw.sum(axis=2, keepdims=True)

    def expected_rewards(self, weights):
        """R_i(π_w) for each row of weights, shape (n, d)."""
        return np.einsum("nxy,xyd->nd", self.policies(weights), self.rewards, optimize=True) / len(self.reference)

    def regulariser(self, weights):
        """f(π_w) = β · mean KL(π_w ‖ π_ref) for each row of weights, shape (n,)."""
        policies = self.policies(weights)
        logs = np.log(np.maximum(policies, 1e-300) / self.reference)
        return np.maximum(self.beta * (policies * logs).sum(axis=2).mean(axis=1), 0)

    def value_vectors(self, weights):
        """a_k = R(π_k) - f(π_k) · 1 for each row of weights, shape (n, d)."""
        return self.expected_rewards(weights) - self.regulariser(weights)[:, None]

    def optimum(self, weights):
        """J*(w) = β E_x log Σ_y π_ref exp(w · r / β) for each row of weights, shape (n,)."""
        tilt = self._scalarised(weights) / self.beta
        top = tilt.max(axis=2)
        return self.beta * (top + np.log((self.reference * np.exp(tilt - top[:, :, None])).sum(axis=2))).mean(axis=1)

    def sample(self, samples, *, seed):
        """Draw scored reference responses: rewards of shape (X, samples, d)."""
        rng = np.random.default_rng(seed)
        picks = np.stack([rng.choice(len(row), size=samples, p=row) for row in self.reference])
        return np.take_along_axis(self.rewards, picks[:, :, None], axis=1)

    def _scalarised(self, weights):
        return np.einsum("xyd,nd->nxy", self.rewards, np.atleast_2d(weights), optimize=True)


def draw_problem(seed, objectives, *, prompts=PROMPTS, responses=RESPONSES, beta=BETA):
    """Draw a problem whose rewards conflict: what one likes in a response, the others tend to dislike.

    Args:
        seed: of the draw.
        objectives: d.
        prompts: X.
        responses: Y, to each prompt.
        beta: β > 0.

    Returns:
        Tabular with r = sigmoid(1.5 (z - 0.7 mean_i z)), z ~ N(0, 1), and π_ref(.|x) ~ Dirichlet(0.7 · 1).
    """
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(prompts, responses, objectives))
    rewards = 1 / (1 + np.exp(-1.5 * (z - 0.7 * z.mean(axis=2, keepdims=True))))
    # Dirichlet draws with a small parameter can round to 0, where a logarithm has no value.
    reference = np.maximum(rng.dirichlet(np.full(responses, 0.7), size=prompts), 1e-12)
    return Tabular(rewards=rewards, reference=reference / reference.sum(axis=1, keepdims=True), beta=beta)
