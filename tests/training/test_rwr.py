import numpy as np

from palm.training.rwr import resample


def test_draws_follow_the_tilt():
    rng = np.random.default_rng(0)
    rewards = rng.uniform(size=(3, 5000, 2))
    weights = np.array([0.7, 0.3])
    chosen = resample(rewards, weights, beta=0.2, rng=rng)
    tilted = np.exp(rewards @ weights / 0.2)
    expected = (rewards @ weights * tilted).sum(1) / tilted.sum(1)
    drawn = np.take_along_axis(rewards @ weights, chosen, axis=1).mean(1)
    assert np.allclose(drawn, expected, atol=0.02)
    assert (expected > (rewards @ weights).mean(1) + 0.05).all()
