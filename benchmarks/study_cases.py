"""The numbers of the study, from policies that were measured on held-out prompts: portfolios and their gaps.

Portfolios are chosen on one half of the prompts and judged on the other: what is chosen for its values on some prompts
looks better there than it is. Every gap is to the best of *all* policies of all designs, and the reference, so that
designs are held to one common yardstick and not each to its own policies.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from palm.errors import SelectionError
from palm.geometry.portfolio.selection import select
from palm.geometry.portfolio.statistics import ResampledGap, compare_portfolios, resample_gap
from palm.geometry.portfolio.usage import diversity, usage

CONFIDENCE = 0.95
RESAMPLES = 400
SEED = 0
"""The same for every portfolio, so that all of them see the same resampled prompts."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Policies and the reference on the same held-out prompts, averaged over the responses to each prompt.

    Attributes:
        rewards: mean rewards of each policy on each prompt, shape (n, p, d), in [0, 1].
        costs: β KL of each policy on each prompt, shape (n, p).
        reference: mean rewards of the reference on each prompt, shape (p, d).
    """

    rewards: np.ndarray
    costs: np.ndarray
    reference: np.ndarray

    def on(self, prompts: np.ndarray) -> "Measured":
        """The same policies on some of the prompts."""
        return Measured(self.rewards[:, prompts], self.costs[:, prompts], self.reference[prompts])

    def halves(self) -> tuple["Measured", "Measured"]:
        """Every other prompt, to choose on, and the rest, to judge on."""
        prompts = np.arange(len(self.reference))
        return self.on(prompts[::2]), self.on(prompts[1::2])

    @property
    def value_vectors(self) -> np.ndarray:
        """R - f of every policy, shape (n, d)."""
        return (self.rewards - self.costs[:, :, None]).mean(axis=1)

    @property
    def yardstick(self) -> tuple[np.ndarray, np.ndarray]:
        """Rewards and costs of all policies and, as the last one, the reference."""
        return (
            np.concatenate([self.rewards, self.reference[None]]),
            np.concatenate([self.costs, np.zeros((1, len(self.reference)))]),
        )


@dataclass(frozen=True)
class Candidate:
    """A way to get a portfolio.

    Attributes:
        design: where its policies come from.
        trained: how many policies that takes.
        method: how the members were chosen among them.
        size: K.
        portfolios: members, indices into the policies; several where the way is random and was drawn several times.
    """

    design: str
    trained: int
    method: str
    size: int
    portfolios: tuple[tuple[int, ...], ...]

    @property
    def label(self) -> str:
        """How tables name it."""
        return f"{self.design} {self.trained}, {self.method}, K = {self.size}"


def pruned(measured: Measured, design: str, policies: Sequence[int], *, size: int, method: str) -> Candidate:
    """Choose a portfolio from the policies of one design, as who has only these would.

    Args:
        measured: on the prompts to choose on.
        design: its name.
        policies: indices of its policies.
        size: K.
        method: ``exact`` or ``greedy``.

    Returns:
        The candidate.
    """
    chosen = select(measured.value_vectors[list(policies)], size, method=method)
    return Candidate(design, len(policies), method, size, (tuple(policies[index] for index in chosen.indices),))


@dataclass(frozen=True, eq=False)
class Judged:
    """A candidate judged on other prompts than it was chosen on; means over its portfolios where it has several.

    Attributes:
        candidate: what was judged.
        epsilon: worst-case multiplicative gap to the best of all policies; None where, on all prompts or on some
            resample, a preference has no ε up to 1 because the portfolio is worth less than nothing to it.
        additive: worst-case additive gap.
        effective_policies: exp of the entropy of the members' usage.
        unused: members that serve no preference best.
    """

    candidate: Candidate
    epsilon: ResampledGap | None
    additive: ResampledGap
    effective_policies: float
    unused: float


def judge(measured: Measured, candidate: Candidate, *, resamples: int = RESAMPLES) -> Judged:
    """Judge a candidate.

    Args:
        measured: on the prompts to judge on.
        candidate: its members are indices into the measured policies, or n for the reference.
        resamples: number of bootstrap resamples.

    Returns:
        Its numbers. Gaps hold for every preference, by linear programs.
    """
    rewards, costs = measured.yardstick
    values = (rewards - costs[:, :, None]).mean(axis=1)
    spreads = [diversity(usage(values, portfolio)) for portfolio in candidate.portfolios]

    def gap(**granted) -> ResampledGap:
        return _mean_gap(
            [
                resample_gap(rewards, costs, portfolio, resamples=resamples, seed=SEED, **granted)
                for portfolio in candidate.portfolios
            ]
        )

    try:
        epsilon = gap()
    except SelectionError:
        epsilon = None
    return Judged(
        candidate,
        epsilon=epsilon,
        additive=gap(epsilon=0.0),
        effective_policies=float(np.mean([spread.effective_number for spread in spreads])),
        unused=float(np.mean([len(spread.unused) for spread in spreads])),
    )


def _mean_gap(gaps: list[ResampledGap]) -> ResampledGap:
    return ResampledGap(
        estimate=float(np.mean([gap.estimate for gap in gaps])),
        resampled=np.mean([gap.resampled for gap in gaps], axis=0),
    )


@dataclass(frozen=True)
class Difference:
    """A difference of two portfolios with its two-sided interval."""

    estimate: float
    low: float
    high: float

    @property
    def significant(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Versus:
    """A candidate against another one, on the same prompts.

    Attributes:
        epsilon: the other's multiplicative gap less this one's; positive where this one is better; None where one of
            them has none.
        additive: the same of the additive gap.
        change: mean over all preferences of this one's best value less the other's; None where a side has several
            portfolios.
    """

    epsilon: Difference | None
    additive: Difference
    change: Difference | None


def versus(measured: Measured, pair: tuple[Judged, Judged], *, resamples: int = RESAMPLES) -> Versus:
    """Compare two judged candidates, paired.

    Args:
        measured: the prompts they were judged on.
        pair: one and the other.
        resamples: number of bootstrap resamples for the change; those of the gaps are the candidates' own.

    Returns:
        Differences with two-sided intervals.
    """
    ours, other = pair
    return Versus(
        epsilon=None if None in (ours.epsilon, other.epsilon) else _difference(ours.epsilon, other.epsilon),
        additive=_difference(ours.additive, other.additive),
        change=_change(measured, ours.candidate.portfolios, other.candidate.portfolios, resamples),
    )


def pairs(judged: list[Judged]) -> list[tuple[Judged, Judged]]:
    """Pair palm's portfolio, exactly pruned, with every other one of its size."""
    return [
        (ours, other)
        for ours in judged
        if (ours.candidate.design, ours.candidate.method) == ("palm", "exact")
        for other in judged
        if other is not ours and other.candidate.size == ours.candidate.size
    ]


def _difference(ours: ResampledGap, other: ResampledGap) -> Difference:
    gap = ResampledGap(other.estimate - ours.estimate, other.resampled - ours.resampled).interval(CONFIDENCE)
    return Difference(gap.estimate, gap.low, gap.high)


def _change(measured: Measured, ours: Sequence, other: Sequence, resamples: int) -> Difference | None:
    if len(ours) > 1 or len(other) > 1:
        return None
    options = {"confidence": (1 + CONFIDENCE) / 2, "resamples": resamples, "seed": SEED}
    to_ours = compare_portfolios(*measured.yardstick, other[0], ours[0], **options)
    to_other = compare_portfolios(*measured.yardstick, ours[0], other[0], **options)
    return Difference(to_ours.mean_change, to_ours.mean_change_lower, 0.0 - to_other.mean_change_lower)
