"""How far the worst-case gap can be trusted: bootstrap over prompts."""

from dataclasses import dataclass

import numpy as np

from palm.errors import DataError, SelectionError
from palm.portfolio.certificate import certify, check_portfolio


@dataclass(frozen=True)
class GapInterval:
    """The worst-case gap of a portfolio with its sampling error.

    Attributes:
        estimate: the certified gap on all prompts.
        low: lower end of the two-sided percentile interval.
        high: upper end of the two-sided percentile interval.
        upper: one-sided upper confidence bound.
        confidence: of the interval and, by itself, of the one-sided bound.
        resamples: number of bootstrap resamples.
    """

    estimate: float
    low: float
    high: float
    upper: float
    confidence: float
    resamples: int


def worst_case_gap_interval(
    per_prompt_rewards, per_prompt_kl_cost, portfolio, *, delta, confidence=0.95, resamples=200, seed
):
    """Estimate how much the worst-case gap depends on the prompts that were drawn.

    Args:
        per_prompt_rewards: mean reward of each policy on each prompt, shape (n, p, d), in [0, 1].
        per_prompt_kl_cost: β · KL of each policy on each prompt, shape (n, p), at least 0.
        portfolio: indices of the members.
        delta: additive tolerance, at least 0.
        confidence: in (0, 1).
        resamples: number of bootstrap resamples, at least 1.
        seed: an int or a ``numpy.random.Generator``.

    Returns:
        GapInterval. Estimated: percentile bootstrap, paired (every policy is seen on the same resampled
        prompts). The gap is a maximum over policies and preferences, which resampling pushes up, not down.

    Raises:
        DataError: a shape or a number is wrong.
        SelectionError: an argument is out of range, or a resample has no gap up to 1.

    Source:
        Efron (1979).
    """
    rewards, costs = _checked(per_prompt_rewards, per_prompt_kl_cost)
    members = check_portfolio(portfolio, len(rewards))
    if not 0 < confidence < 1:
        raise SelectionError(f"confidence={confidence}", rule="must be in (0, 1)", remedy="use 0.95")
    if not isinstance(resamples, (int, np.integer)) or resamples < 1:
        raise SelectionError(f"resamples={resamples!r}", rule="must be an integer of at least 1", remedy="use 200")
    values = rewards - costs[:, :, None]
    prompts = values.shape[1]
    rng = np.random.default_rng(seed)
    shares = rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=resamples) / prompts
    means = np.einsum("rp,npd->rnd", shares, values, optimize=True)
    gaps = np.array([certify(mean, members, delta=delta).epsilon for mean in means])
    tail = (1 - confidence) / 2
    low, high, upper = np.quantile(gaps, [tail, 1 - tail, confidence])
    return GapInterval(
        estimate=certify(values.mean(axis=1), members, delta=delta).epsilon,
        low=float(low),
        high=float(high),
        upper=float(upper),
        confidence=float(confidence),
        resamples=int(resamples),
    )


def _checked(per_prompt_rewards, per_prompt_kl_cost):
    """Check shapes and ranges of the per-prompt measurements."""
    rewards = np.asarray(per_prompt_rewards, dtype=np.float64)
    costs = np.asarray(per_prompt_kl_cost, dtype=np.float64)
    if rewards.ndim != 3 or 0 in rewards.shape or costs.shape != rewards.shape[:2]:
        raise DataError(
            f"rewards of shape {rewards.shape} and costs of shape {costs.shape}",
            rule="must be (n, p, d) and (n, p)",
            remedy="evaluate every policy on the same prompts",
        )
    if not ((rewards >= 0) & (rewards <= 1)).all():
        policy = int(np.flatnonzero(~((rewards >= 0) & (rewards <= 1)).all(axis=(1, 2)))[0])
        raise DataError(f"rewards of policy {policy}", rule="must be in [0, 1]", remedy="normalise them")
    if not (np.isfinite(costs) & (costs >= 0)).all():
        policy = int(np.flatnonzero(~(np.isfinite(costs) & (costs >= 0)).all(axis=1))[0])
        raise DataError(
            f"KL cost of policy {policy}", rule="must be finite and at least 0", remedy="use the full vocabulary"
        )
    return rewards, costs
