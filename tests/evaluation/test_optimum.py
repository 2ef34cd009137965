import numpy as np
import pytest

from palm.evaluation.measure import mean_over_prompts
from palm.evaluation.optimum import estimate_optimum


def test_estimate_approaches_the_closed_form():
    rng = np.random.default_rng(0)
    beta, weights = 0.3, np.array([0.5, 0.3, 0.2])
    reference = rng.dirichlet(np.ones(12), size=30)  # (X, Y)
    rewards = rng.uniform(size=(30, 12, 3))
    exact = beta * np.log((reference * np.exp(rewards @ weights / beta)).sum(1)).mean()
    draws = np.stack([rng.choice(12, size=20000, p=row) for row in reference])
    sampled = np.take_along_axis(rewards, draws[:, :, None], axis=1)
    estimate = estimate_optimum(sampled, weights, beta=beta)
    assert estimate.by_prompt.mean() == pytest.approx(exact, abs=2e-3)


def test_equal_rewards_use_every_sample_and_one_far_better_sample_counts_as_one():
    rewards = np.zeros((2, 8, 2))
    rewards[0], rewards[1, 3] = 0.25, 1
    estimate = estimate_optimum(rewards, np.array([0.5, 0.5]), beta=0.01)
    assert (estimate.effective_sample_size, estimate.smallest_effective_sample_size) == pytest.approx((4.5, 1))
    assert estimate.by_prompt == pytest.approx([0.25, 1 - 0.01 * np.log(8)])


def test_standard_error_is_over_prompts():
    """Responses to one prompt that agree fully add no information."""
    by_prompt = np.array([0.0, 1.0, 0.5, 0.25])
    assert mean_over_prompts(np.repeat(by_prompt[:, None], 9, axis=1)).standard_error == pytest.approx(
        by_prompt.std(ddof=1) / 2
    )
    assert mean_over_prompts(np.array([[0.3, 0.5]])).standard_error == 0
