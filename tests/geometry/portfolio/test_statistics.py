"""Bootstrap of the worst-case gap."""

import numpy as np
import pytest

from palm.errors import DataError, SelectionError
from palm.geometry.portfolio.certificate import certify
from palm.geometry.portfolio.statistics import compare_portfolios, largest_loss, resample_gap


def measurements(prompts, noise):
    """Three policies with rewards around (0.8, 0.3), (0.3, 0.8), (0.6, 0.6); prompts shift all alike."""
    means = np.array([[0.8, 0.3], [0.3, 0.8], [0.6, 0.6]])
    shift = noise * np.random.default_rng(0).uniform(-1, 1, (3, prompts, 2))
    return np.clip(means[:, None] + shift, 0, 1), np.full((3, prompts), 0.05)


def gap_interval(rewards, costs, portfolio, *, confidence=0.95, **options):
    return resample_gap(rewards, costs, portfolio, **options).interval(confidence)


def test_without_noise_the_interval_is_a_point():
    rewards, costs = measurements(10, 0.0)
    interval = gap_interval(rewards, costs, [0, 1], resamples=20, seed=0)
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
    paired = gap_interval(means[:, None] + common, costs, [2], resamples=60, seed=1)
    unpaired = gap_interval(means[:, None] + own, costs, [2], resamples=60, seed=1)
    assert paired.high - paired.low < 0.5 * (unpaired.high - unpaired.low)


def test_more_prompts_narrow_the_interval():
    few, many = (gap_interval(*measurements(prompts, 0.2), [2], resamples=60, seed=0) for prompts in (20, 2000))
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
        interval = gap_interval(rewards, np.zeros((2, 60)), [1], confidence=0.9, resamples=30, seed=seed)
        held += interval.upper >= truth
    assert held >= 22


def test_the_seed_decides():
    rewards, costs = measurements(15, 0.2)
    draws = [gap_interval(rewards, costs, [2], resamples=15, seed=seed) for seed in (1, np.random.default_rng(1), 2)]
    assert draws[0] == draws[1] != draws[2]


def test_the_additive_gap_is_resampled_where_epsilon_is_granted():
    """In two dimensions with one member the largest additive gap is at a corner."""
    rewards, costs = measurements(40, 0.2)
    gap = resample_gap(rewards, costs, [2], epsilon=0.0, resamples=25, seed=3)
    values = rewards - costs[:, :, None]
    rng = np.random.default_rng(3)
    draws = [rng.multinomial(40, np.full(40, 1 / 40)) / 40 for _ in range(25)]
    means = [values.mean(axis=1), *(np.einsum("p,npd->nd", draw, values) for draw in draws)]
    expected = [(mean - mean[2]).max() for mean in means]
    assert gap.estimate == pytest.approx(expected[0], abs=1e-7)
    assert gap.resampled == pytest.approx(np.array(expected[1:]), abs=1e-7)
    interval = gap.interval(0.9)
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(expected[1:], [0.05, 0.95])), abs=1e-7)


def test_differences_of_gaps_are_paired():
    """The members differ by a constant: so do their additive gaps, on every resample."""
    rng = np.random.default_rng(0)
    best = rng.uniform(0.5, 1.0, (50, 2))
    rewards, costs = np.stack([best, best - 0.1, best - 0.3]), np.zeros((3, 50))
    near, far = (resample_gap(rewards, costs, [member], epsilon=0.0, resamples=10, seed=0) for member in (1, 2))
    assert far.resampled - near.resampled == pytest.approx(np.full(10, 0.2), abs=1e-7)


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
        gap_interval(**arguments, seed=0)


def replacement(prompts, noise, seed=0):
    """Two portfolios, {0, 1} and {2, 3}: the new one loses 0.1 at (1, 0), gains 0.05 at (0, 1)."""
    rng = np.random.default_rng(seed)
    means = np.array([[0.8, 0.3], [0.3, 0.7], [0.7, 0.3], [0.3, 0.75]])
    return np.clip(means[:, None] + noise * rng.uniform(-1, 1, (4, prompts, 2)), 0, 1), np.zeros((4, prompts))


def test_largest_loss_by_hand():
    found = compare_portfolios(*replacement(10, 0.0), [0, 1], [2, 3], resamples=20, seed=0)
    assert found.largest_loss == pytest.approx(0.1)
    assert found.loss_upper == pytest.approx(0.1)
    np.testing.assert_allclose(found.worst_weights, [1, 0], atol=1e-9)
    assert (found.confidence, found.resamples) == (0.95, 20)


def test_largest_loss_is_negative_when_everybody_gains():
    before, after = np.array([[0.5, 0.2], [0.2, 0.5]]), np.array([[0.6, 0.4], [0.3, 0.6]])
    assert largest_loss(before, after).loss == pytest.approx(-0.1)
    assert largest_loss(before, before).loss == pytest.approx(0, abs=1e-9)
    assert largest_loss(before, before[:1]).loss == pytest.approx(0.3)


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_no_preference_loses_more(objectives):
    """The loss is attained at the worst weights and by no sampled preference exceeded."""
    rng = np.random.default_rng(objectives)
    for _ in range(10):
        before, after = rng.uniform(-0.2, 1, (2, 4, objectives))
        found = largest_loss(before, after)
        v = np.vstack([rng.dirichlet(np.full(objectives, 0.7), 500), found.weights])
        losses = (v @ before.T).max(axis=1) - (v @ after.T).max(axis=1)
        assert losses.max() <= found.loss + 1e-8
        assert losses[-1] == pytest.approx(found.loss, abs=1e-8)


def test_mean_change_by_hand():
    """One policy replaced by one that is 0.1 better in the first reward only: 0.1 · mean of v_1 = 0.05."""
    rewards = np.array([[0.5, 0.5], [0.6, 0.5]])[:, None].repeat(4, axis=1)
    found = compare_portfolios(rewards, np.zeros((2, 4)), [0], [1], resamples=5, seed=0)
    assert found.mean_change == pytest.approx(0.05, abs=0.002)
    assert found.mean_change_lower == pytest.approx(found.mean_change)


def test_comparison_is_paired_and_its_bound_covers():
    """Noise that all policies share cancels in the loss; noise of their own makes the bound exceed the estimate."""
    rng = np.random.default_rng(0)
    rewards, costs = replacement(60, 0.0)
    shared = compare_portfolios(rewards + 0.2 * rng.uniform(-1, 1, (1, 60, 2)), costs, [0, 1], [2, 3], seed=1)
    assert shared.loss_upper == pytest.approx(0.1, abs=1e-6)
    noisy = [
        compare_portfolios(*replacement(60, 0.2, seed), [0, 1], [2, 3], resamples=40, seed=1) for seed in range(20)
    ]
    assert sum(found.loss_upper >= 0.1 for found in noisy) >= 16
    assert all(found.loss_upper > found.largest_loss for found in noisy)
    assert all(found.mean_change_lower < found.mean_change for found in noisy)


def test_comparison_rejects_bad_arguments():
    rewards, costs = replacement(10, 0.1)
    with pytest.raises(SelectionError, match=r"portfolio=\[4\]"):
        compare_portfolios(rewards, costs, [0], [4], seed=0)
    with pytest.raises(SelectionError, match="confidence=0"):
        compare_portfolios(rewards, costs, [0], [1], confidence=0, seed=0)


def test_prompts_of_a_group_are_drawn_together_so_copies_make_no_interval_narrower():
    rng = np.random.default_rng(4)
    rewards, costs = rng.random((3, 20, 2)), rng.random((3, 20)) * 0.01
    copies = np.repeat(np.arange(20), 4)
    once = resample_gap(rewards, costs, [0, 1], epsilon=0.0, resamples=20, seed=1)
    four = resample_gap(rewards[:, copies], costs[:, copies], [0, 1], epsilon=0.0, resamples=20, seed=1, groups=copies)
    assert four.estimate == pytest.approx(once.estimate) and four.resampled == pytest.approx(once.resampled)
    apart = resample_gap(rewards[:, copies], costs[:, copies], [0, 1], epsilon=0.0, resamples=20, seed=1)
    assert apart.resampled.std() < 0.8 * once.resampled.std()
    with pytest.raises(DataError, match="groups of shape"):
        resample_gap(rewards, costs, [0, 1], resamples=20, seed=1, groups=copies)
