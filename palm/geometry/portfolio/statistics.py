"""Sampling error of the worst-case gap, and of a replacement: bootstrap over prompts."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from palm.errors import DataError, SelectionError
from palm.geometry.arrays import Array
from palm.geometry.portfolio.certificate import check_portfolio
from palm.geometry.portfolio.goal import goal_of
from palm.geometry.portfolio.worst_case import worst_cases

POINTS = 5_000
POINTS_SEED = 20_260_404
"""Preferences drawn uniformly from the simplex, always the same ones, over which the mean change is taken."""


@dataclass(frozen=True)
class GapInterval:
    """The worst-case gap of a portfolio with its sampling error.

    Attributes:
        estimate: the certified gap on all prompts.
        low: lower end of the two-sided percentile interval.
        high: upper end of the two-sided percentile interval.
        upper: one-sided upper confidence bound.
        confidence: of the interval and, by itself, of the one-sided bound.
    """

    estimate: float
    low: float
    high: float
    upper: float
    confidence: float
    resamples: int


@dataclass(frozen=True, eq=False)
class ResampledGap:
    """The worst-case gap of a portfolio on all prompts, and on prompts drawn with replacement.

    Attributes:
        resampled: the gap on each resample, shape (resamples,). The same seed draws the same prompts for every
            portfolio, so that differences of two of these arrays are paired.
    """

    estimate: float
    resampled: Array

    def interval(self, confidence: float = 0.95) -> GapInterval:
        """Describe the gap with its sampling error, for a confidence in (0, 1).

        Returns:
            Percentile bootstrap. The gap is a maximum over policies and preferences, which resampling pushes up, not
            down. On tabular problems with 30 and 40 prompts the upper bound at 95 % held in 93 to 98 % of the draws;
            the basic bootstrap's in 88 to 97 %.
        """
        _check_confidence(confidence)
        tail = (1 - confidence) / 2
        low, high, upper = np.quantile(self.resampled, [tail, 1 - tail, confidence])
        return GapInterval(
            estimate=self.estimate,
            low=float(low),
            high=float(high),
            upper=float(upper),
            confidence=float(confidence),
            resamples=len(self.resampled),
        )


def resample_gap(
    per_prompt_rewards: ArrayLike,
    per_prompt_kl_cost: ArrayLike,
    portfolio: Iterable[int],
    *,
    epsilon: float | None = None,
    delta: float = 0.0,
    resamples: int = 200,
    seed: int | np.random.Generator,
    groups: ArrayLike | None = None,
) -> ResampledGap:
    """Compute the worst-case gap of a portfolio on resampled prompts.

    Args:
        per_prompt_rewards: mean reward of each policy on each prompt, shape (n, p, d), in [0, 1].
        per_prompt_kl_cost: β · KL of each policy on each prompt, shape (n, p), at least 0.
        epsilon: ε granted, in [0, 1], if the gap is the smallest δ (with 0 the additive gap); None if it is the
            smallest ε.
        delta: δ granted, at least 0, where the gap is the smallest ε.
        seed: decides the prompts drawn.
        groups: shape (p,), the same value for prompts that are drawn together, as equal ones are; None: each by itself.

    Raises:
        SelectionError: an argument is out of range, or a resample has no gap.

    Source:
        Efron (1979); paired, as every policy is seen on the same resampled prompts. Groups: cluster bootstrap.
    """
    values = _checked(per_prompt_rewards, per_prompt_kl_cost)
    members = check_portfolio(portfolio, len(values))
    goal = goal_of(epsilon, delta)
    _check_resamples(resamples)

    def gap(means: Array) -> float:
        return float(getattr(goal.certify(means, members), goal.minimised))

    return ResampledGap(
        estimate=gap(values.mean(axis=1)),
        resampled=np.array([gap(means) for means in _resampled_means(values, resamples, seed, groups)]),
    )


@dataclass(frozen=True, eq=False)
class Comparison:
    """Change of the best value of each preference when a portfolio is replaced.

    Attributes:
        largest_loss: max over v of (best value before - best value after); negative if everybody gains.
        loss_upper: one-sided upper confidence bound of the largest loss.
        worst_weights: a preference that loses most, shape (d,).
        mean_change: mean over all preferences of (best value after - best value before); positive is better.
        mean_change_lower: one-sided lower confidence bound of the mean change.
        confidence: of each bound by itself.
    """

    largest_loss: float
    loss_upper: float
    worst_weights: Array
    mean_change: float
    mean_change_lower: float
    confidence: float
    resamples: int


def compare_portfolios(
    per_prompt_rewards: ArrayLike,
    per_prompt_kl_cost: ArrayLike,
    before: Iterable[int],
    after: Iterable[int],
    *,
    confidence: float = 0.95,
    resamples: int = 200,
    seed: int | np.random.Generator,
    groups: ArrayLike | None = None,
) -> Comparison:
    """Compute the most that any preference loses when one portfolio replaces another, and bound it.

    Args:
        per_prompt_rewards, per_prompt_kl_cost, resamples, seed, groups: as for ``resample_gap``.
        before: indices of the portfolio that serves now.
        after: indices of the portfolio that would serve instead.

    Returns:
        The largest loss is over the continuous simplex, by linear programs; the mean change is over
        fixed points of it. Bounds: percentile bootstrap over prompts, paired. On tabular problems with 30 and 40
        prompts the bound of the loss at 95 % held in 90 to 100 % of the draws; the basic bootstrap's in 87 to 95 %.

    Source:
        Derived: the loss is the additive gap of ``after`` against the members of ``before``. Efron (1979).
    """
    values = _checked(per_prompt_rewards, per_prompt_kl_cost)
    old, new = (list(check_portfolio(portfolio, len(values))) for portfolio in (before, after))
    _check_confidence(confidence)
    _check_resamples(resamples)
    points = np.random.default_rng(POINTS_SEED).dirichlet(np.ones(values.shape[2]), size=POINTS)
    found = largest_loss(values[old].mean(axis=1), values[new].mean(axis=1))
    means = _resampled_means(values, resamples, seed, groups)
    losses = [largest_loss(mean[old], mean[new]).loss for mean in means]
    changes = [_mean_change(mean[old], mean[new], points) for mean in means]
    return Comparison(
        largest_loss=found.loss,
        loss_upper=float(np.quantile(losses, confidence)),
        worst_weights=found.weights,
        mean_change=_mean_change(values[old].mean(axis=1), values[new].mean(axis=1), points),
        mean_change_lower=float(np.quantile(changes, 1 - confidence)),
        confidence=float(confidence),
        resamples=int(resamples),
    )


@dataclass(frozen=True, eq=False)
class Loss:
    """The largest loss of a replacement and a preference that has it, shape (d,)."""

    loss: float
    weights: Array


def largest_loss(before: Array, after: Array) -> Loss:
    """Compute max over v of (max_k b_k · v - max_s a_s · v), exactly up to the solver's tolerance.

    Args:
        before: value vectors b_k, shape (k, d).
        after: value vectors a_s, shape (s, d).

    Source:
        Derived, as the certificate. The targets are shifted up so that the programs' gaps are positive.
    """
    shift = max(0.0, float(after.max() - before.min())) + 1.0
    worst = worst_cases(after, before + shift)
    number = int(np.argmax(worst.gaps))
    return Loss(loss=float(worst.gaps[number] - shift), weights=worst.weights[number])


def _mean_change(before: Array, after: Array, points: Array) -> float:
    return float(((points @ after.T).max(axis=1) - (points @ before.T).max(axis=1)).mean())


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise SelectionError(f"confidence={confidence}", rule="must be in (0, 1)", remedy="use 0.95")


def _check_resamples(resamples: int) -> None:
    if not isinstance(resamples, (int, np.integer)) or resamples < 1:
        raise SelectionError(f"resamples={resamples!r}", rule="must be an integer of at least 1", remedy="use 200")


def resampled_shares(groups: ArrayLike, resamples: int, seed: int | np.random.Generator) -> Array:
    """Draw groups of prompts with replacement.

    Args:
        groups: shape (p,), the same value for prompts that are drawn together.

    Returns:
        The share of each prompt in each resample, shape (resamples, p), rows summing to 1.
    """
    _, labels, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    count = len(sizes)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)[:, labels]
    return drawn / drawn.sum(axis=1, keepdims=True)


def _resampled_means(values: Array, resamples: int, seed: int | np.random.Generator, groups: ArrayLike | None) -> Array:
    """Average over prompts drawn with replacement, the same ones for every policy, shape (resamples, n, d)."""
    prompts = values.shape[1]
    if groups is not None and np.shape(groups) != (prompts,):
        raise DataError(
            f"groups of shape {np.shape(groups)}", rule=f"must be ({prompts},)", remedy="name one per prompt"
        )
    shares = resampled_shares(np.arange(prompts) if groups is None else groups, resamples, seed)
    return np.einsum("rp,npd->rnd", shares, values, optimize=True)


def _checked(per_prompt_rewards: ArrayLike, per_prompt_kl_cost: ArrayLike) -> Array:
    """Check shapes and ranges of the per-prompt measurements and give value vectors per prompt, shape (n, p, d)."""
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
    return rewards - costs[:, :, None]
