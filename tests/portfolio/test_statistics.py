"""Bootstrap of the worst-case gap."""

import numpy as np
import pytest

from palm.errors import DataError, SelectionError
from palm.portfolio.certificate import certify
from palm.portfolio.statistics import worst_case_gap_interval


def measurements(prompts, noise, seed=0):
    """Three policies with rewards around (0.8, 0.3), (0.3, 0.8), (0.6, 0.6); prompts shift all alike."""
    rng = np.random.default_rng(seed)
    means = np.array([[0.8, 0.3], [0.3, 0.8], [0.6, 0.6]])
    shift = noise * rng.uniform(-1, 1, (3, prompts, 2))
    return np.clip(means[:, None] + shift, 0, 1), np.full((3, prompts), 0.05)


def test_without_noise_the_interval_is_a_point():
    rewards, costs = measurements(10, 0.0)
    interval = worst_case_gap_interval(rewards, costs, [0, 1], delta=0.0, resamples=20, seed=0)
    exact = certify((rewards - costs[:, :, None]).mean(axis=1), [0, 1]).epsilon
    assert interval.estimate == exact
    assert (interval.low, interval.high, interval.upper) == pytest.approx((exact,) * 3)


def test_resamples_are_paired():
    """A shift that all policies share leaves an additive difference alone: almost no spread is left."""
    rng = np.random.default_rng(0)
    means = np.array([[0.6, 0.4], [0.4, 0.6], [0.5, 0.5]])
    common = 0.3 * rng.uniform(-1, 1, (1, 50, 2))
    own = 0.3 * rng.uniform(-1, 1, (3, 50, 2))
    costs = np.zeros((3, 50))
    paired = worst_case_gap_interval(means[:, None] + common, costs, [2], delta=0.0, resamples=60, seed=1)
    unpaired = worst_case_gap_interval(means[:, None] + own, costs, [2], delta=0.0, resamples=60, seed=1)
    assert paired.high - paired.low < 0.5 * (unpaired.high - unpaired.low)


def test_more_prompts_narrow_the_interval():
    few, many = (
        worst_case_gap_interval(*measurements(prompts, 0.2), [2], delta=0.0, resamples=60, seed=0)
        for prompts in (20, 2000)
    )
    assert many.high - many.low < 0.3 * (few.high - few.low)
    for interval in (few, many):
        assert 0 <= interval.low <= interval.upper <= interval.high <= 1
        assert interval.low <= interval.estimate <= interval.high
        assert (interval.confidence, interval.resamples) == (0.95, 60)


def test_the_bound_holds_about_as_often_as_it_says():
    """A continuous worst case (one policy short everywhere): 30 draws, 90 % confidence, at least 22 hold."""
    truth = certify([[0.7, 0.7], [0.5, 0.5]], [1]).epsilon
    held = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        rewards = np.array([[0.7, 0.7], [0.5, 0.5]])[:, None] + 0.2 * rng.uniform(-1, 1, (2, 60, 2))
        interval = worst_case_gap_interval(
            rewards, np.zeros((2, 60)), [1], delta=0.0, confidence=0.9, resamples=30, seed=seed
        )
        held += interval.upper >= truth
    assert held >= 22


def test_the_seed_decides():
    rewards, costs = measurements(15, 0.2)
    draws = [
        worst_case_gap_interval(rewards, costs, [2], delta=0.0, resamples=15, seed=seed)
        for seed in (1, np.random.default_rng(1), 2)
    ]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"rewards": np.zeros((3, 10))}, DataError, r"rewards of shape \(3, 10\)"),
        ({"costs": np.zeros((3, 9))}, DataError, r"costs of shape \(3, 9\)"),
        ({"rewards": np.full((3, 10, 2), 1.5)}, DataError, "rewards of policy 0: must be in"),
        ({"costs": np.full((3, 10), -0.1)}, DataError, "KL cost of policy 0"),
        ({"portfolio": [7]}, SelectionError, r"portfolio=\[7\]"),
        ({"confidence": 1.0}, SelectionError, "confidence=1.0"),
        ({"resamples": 0}, SelectionError, "resamples=0"),
        ({"costs": np.full((3, 10), 0.9)}, SelectionError, "allow a delta"),
    ],
)
def test_bad_arguments(changes, error, message):
    rewards, costs = measurements(10, 0.1)
    arguments = {"rewards": rewards, "costs": costs, "portfolio": [0], "confidence": 0.95, "resamples": 5} | changes
    with pytest.raises(error, match=message):
        worst_case_gap_interval(
            arguments["rewards"], arguments["costs"], arguments["portfolio"],
            delta=0.0, confidence=arguments["confidence"], resamples=arguments["resamples"], seed=0,
        )  # fmt: skip
