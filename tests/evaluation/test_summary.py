import numpy as np
import pytest
from support.measurements import DIVERSITY

from palm.artifacts.evaluation import Evaluation
from palm.artifacts.policy import Policy
from palm.errors import DataError
from palm.evaluation.measure import mean_over_prompts, share_over_prompts
from palm.evaluation.rollouts import Rollouts
from palm.evaluation.summary import summarise_policy


def rollouts(rewards: np.ndarray, *, name: str = "prompt") -> Rollouts:
    prompts, samples, _ = rewards.shape
    return Rollouts(
        prompts=[f"{name} {index}" for index in range(prompts)],
        responses=[["text"] * samples] * prompts,
        token_ids=[[[1] * (1 + index)] * samples for index in range(prompts)],
        truncated=np.zeros((prompts, samples), dtype=bool),
        rewards=rewards,
        metrics=np.empty((prompts, samples, 0)),
    )


def summary(ours, theirs, divergences, weights=(0.5, 0.5), *, beta=0.1, **options) -> Evaluation:
    return summarise_policy(
        Policy(policy="policy-a", weights=weights, reward_names=("a", "b")),
        rollouts(ours),
        divergences,
        rollouts(theirs, **options),
        DIVERSITY,
        beta=beta,
        seed=0,
        reward_names=["a", "b"],
        metric_names=[],
    )


def draw(seed: int, *, prompts=40, lift=0.0):
    """Rewards that vary much from prompt to prompt: what pairing takes away."""
    rng = np.random.default_rng(seed)
    level = np.random.default_rng(99).uniform(0.1, 0.6, size=(prompts, 1, 1))
    return level + lift + rng.uniform(0, 0.2, size=(prompts, 8, 2))


def test_gain_is_paired_by_prompt():
    ours, theirs = draw(0, lift=0.1), draw(1)
    kl = np.random.default_rng(2).uniform(0, 0.4, size=(40, 8))
    found = summary(ours, theirs, kl, (0.3, 0.7))
    j = (ours @ [0.3, 0.7] - 0.1 * kl).mean(axis=1)
    reference = (theirs @ [0.3, 0.7]).mean(axis=1)
    for key, values in {"objective": j, "objective_reference": reference, "gain": j - reference}.items():
        assert getattr(found, key).mean == pytest.approx(values.mean())
        assert getattr(found, key).standard_error == pytest.approx(values.std(ddof=1) / 40**0.5)
    unpaired = np.hypot(found.objective.standard_error, found.objective_reference.standard_error)
    assert found.gain.standard_error < 0.3 * unpaired
    assert found.gain.mean == pytest.approx(found.objective.mean - found.objective_reference.mean)


def test_lengths_have_a_standard_error():
    found = summary(draw(0, prompts=3), draw(1, prompts=3), np.zeros((3, 8)))
    assert found.response_tokens.mean == pytest.approx(2)
    assert found.response_tokens.standard_error == pytest.approx(1 / 3**0.5)


def test_the_standard_error_of_the_gain_is_its_spread_over_draws():
    """Repeated draws of prompts and responses, the difference known."""
    rng = np.random.default_rng(0)
    gains, errors = [], []
    for _ in range(400):
        level = rng.uniform(0.1, 0.6, size=(20, 1, 1))
        ours, theirs = (level + shift + rng.uniform(0, 0.2, size=(20, 4, 2)) for shift in (0.1, 0.0))
        found = mean_over_prompts((ours - theirs).mean(axis=2))
        gains.append(found.mean)
        errors.append(found.standard_error)
    assert np.mean(gains) == pytest.approx(0.1, abs=0.002)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(gains), rel=0.1)


def test_nothing_to_gain_has_no_share():
    theirs = np.full((5, 8, 2), 0.4)
    found = summary(draw(0, prompts=5), theirs, np.zeros((5, 8)))
    assert found.share_of_gain is None and found.share_interval is None
    assert found.objective_optimum.mean == pytest.approx(found.objective_reference.mean)


def test_a_gain_on_few_prompts_only_has_no_interval():
    """All there is to gain is on one of five prompts: resamples without it have no share."""
    theirs = np.full((5, 8, 2), 0.4)
    theirs[0, 0] = 0.9
    found = summary(theirs + 0.01, theirs, np.zeros((5, 8)))
    assert found.share_of_gain > 0 and found.share_interval is None


def test_a_share_that_noise_decides_has_a_wide_interval():
    """Almost nothing to gain, and a policy that differs by noise."""
    theirs = 0.4 + 0.001 * np.random.default_rng(0).uniform(size=(40, 8, 2))
    found = summary(0.4 + np.random.default_rng(1).uniform(-0.2, 0.2, size=(40, 8, 2)), theirs, np.zeros((40, 8)))
    assert found.share_interval.low < 0 < found.share_interval.high
    assert found.share_interval.high - found.share_interval.low > 10


def test_the_interval_of_the_share_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held, trials = 0, 150
    for seed in range(trials):
        whole = rng.gamma(4, 0.05, size=60)
        part = 0.6 * whole + rng.normal(0, 0.03, size=60)
        _, interval = share_over_prompts(part, whole, seed=seed, resamples=300)
        held += interval.low <= 0.6 <= interval.high
    # 95 % of 150 and three standard deviations below; the percentile interval is a little too narrow.
    assert 0.87 * trials <= held < trials
    assert share_over_prompts(part, whole, seed=0) == share_over_prompts(part, whole, seed=0)


def test_the_reference_must_have_answered_the_same_prompts():
    with pytest.raises(DataError, match="must be to the 5 prompts that the policy is evaluated on"):
        summary(draw(0, prompts=5), draw(1, prompts=5), np.zeros((5, 8)), name="other")
