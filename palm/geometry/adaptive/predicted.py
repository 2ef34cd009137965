"""Predicted values of untrained policies, from rollouts of the reference, and the few that are best to train."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from palm.errors import DataError, SelectionError
from palm.geometry.arrays import Array
from palm.geometry.portfolio.exact import TableRows, search
from palm.geometry.preferences.simplex import check_size, check_weight_rows, finest_lattice
from palm.geometry.preferences.time_budget import SecondsLeft, share_of, unlimited

CANDIDATES_PER_PICK = 10
"""The default candidates are the finest lattice of at most this many points for each pick: step 1/8 at d = 3, k = 5."""
DENSE_POINTS = 2000
"""Size of the lattice of preferences at which the predicted gap is computed."""
HALVINGS = 5
"""Halvings of the refinement's step, starting from half the step of the candidates."""
WORTHWHILE = 1e-5
"""A refinement that lowers the predicted gap by less ends its step."""
TRUSTED_EFFECTIVE_SAMPLES = 5.0
"""Rule of thumb: below this many effective samples a prompt, on average, the prediction is not to be trusted.
On tabular problems the predicted gap was too small by 42 % at 2, 24 % at 4, 15 % at 7, 9 % at 13 and 5 % at 48."""
BLOCK_NUMBERS = 4_000_000
"""Importance weights are computed for as many preferences at a time as fit into about this many numbers."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Estimates for the optimal policies of some preference weights.

    Attributes:
        weights: preference weights w, shape (k, d).
        rewards: R(π_w), shape (k, d).
        regulariser: f(π_w), shape (k,), at least 0.
        optimum: J*(w), shape (k,); biased low for finite samples (Jensen).
        effective_sample_size: 1 / Σ q_n², mean over prompts, shape (k,); from 1 to the samples.
        smallest_effective_sample_size: the same on the worst prompt, shape (k,).
        optimum_bias: about how much ``optimum`` is too low, shape (k,): β/2 · mean (1 / effective - 1 / samples).
    """

    weights: Array
    rewards: Array
    regulariser: Array
    optimum: Array
    effective_sample_size: Array
    smallest_effective_sample_size: Array
    optimum_bias: Array

    @property
    def value_vectors(self) -> Array:
        """The a_w = R(π_w) - f(π_w) · 1, shape (k, d), of ideally trained policies."""
        return self.rewards - self.regulariser[:, None]

    @property
    def trusted(self) -> bool:
        """Whether every one of the weights has enough effective samples by the rule of thumb (5 a prompt)."""
        return bool((self.effective_sample_size >= TRUSTED_EFFECTIVE_SAMPLES).all())


@dataclass(frozen=True, eq=False)
class PredictedDesign:
    """Preference weights to train policies for, and their predicted gap.

    Attributes:
        prediction: the estimates for the weights picked.
        epsilon: predicted worst-case gap of the picks against the predicted J*, on a dense lattice of preferences.
            It is optimistic: the picks are chosen on the estimates that it is computed from.
        candidates_epsilon: the same for the best picks among the candidates, before refinement.
        candidates_bound: proven: no picks among the candidates have a smaller predicted gap.
    """

    prediction: Prediction
    epsilon: float
    candidates_epsilon: float
    candidates_bound: float

    @property
    def weights(self) -> Array:
        """The preference weights to train, shape (k, d)."""
        return self.prediction.weights

    @property
    def trusted(self) -> bool:
        """Whether the picks have enough effective samples; see ``Prediction.trusted``."""
        return self.prediction.trusted


def predict(rewards: ArrayLike, weights: Iterable[ArrayLike], *, beta: float) -> Prediction:
    """Estimate the values of the optimal policies for some weights, without training them.

    Args:
        rewards: scored rollouts of the reference, shape (p prompts, n samples, d), in [0, 1].
        weights: preference weights, shape (k, d).
        beta: β > 0, reward units per nat.

    Source:
        π_w ∝ π_ref exp(w·r / β) (arXiv 2604.04144), so rollouts with self-normalised importance weights
        q ∝ exp(w·r / β) estimate R and KL, and J*(w) = β E_x log E_ref exp(w·r / β). The three estimates fit
        together: J* = w·R - f, and R is the gradient of J*. The bias: delta method, as in Owen (2013), chapter 9.
    """
    scored = _checked(rewards, beta)
    rows = check_weight_rows(weights, scored.shape[2])
    step = max(1, BLOCK_NUMBERS // (scored.shape[0] * scored.shape[1]))
    parts = [_estimate(scored, rows[start : start + step], float(beta)) for start in range(0, len(rows), step)]
    return Prediction(rows, *(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def predicted_design(
    rewards: ArrayLike,
    size: int,
    *,
    beta: float,
    candidates: Iterable[ArrayLike] | None = None,
    seconds_left: SecondsLeft = unlimited,
) -> PredictedDesign:
    """Choose the preference weights whose optimal policies are predicted to serve every preference best.

    Args:
        rewards: scored rollouts of the reference, shape (p, n, d), in [0, 1]; each reward positive somewhere.
        size: how many weights to pick, k.
        candidates: preference weights to start from, shape (c, d); None for the finest lattice of at most 10 k points.
        seconds_left: limit of the choice; half of it goes to the candidates.

    Returns:
        The picks among the candidates are proven optimal on the estimates unless time runs out;
        each is then moved in ever smaller steps while that lowers the predicted worst-case gap.

    Raises:
        DataError: the rewards or β are malformed, or a reward is 0 everywhere.
        SelectionError: there are fewer candidates than picks.

    Source:
        Derived. The value vector of π_w is the tangent of J* at w, so the task is to lay k tangents to a convex
        function with the smallest largest relative distance; any other policy lies below some tangent.
    """
    scored = _checked(rewards, beta)
    count, d = check_size(size), scored.shape[2]
    empty = np.flatnonzero(~(scored > 0).any(axis=(0, 1)))
    if empty.size:
        raise DataError(f"reward {empty[0]}", rule="is 0 for every response", remedy="drop it: nothing can be gained")
    if candidates is None:
        pool = finest_lattice(d, max(CANDIDATES_PER_PICK * count, d + 1))
    else:
        pool = check_weight_rows(candidates, d)
    if count > len(pool):
        raise SelectionError(
            f"size={count}", rule=f"is more than the {len(pool)} candidates", remedy="give more candidates"
        )
    gaps = _PredictedGaps(scored, float(beta))
    chosen = search(
        TableRows(gaps.table(pool)),
        count,
        start=range(count),
        largest=np.inf,
        seconds_left=share_of(seconds_left, 1 / 2),
    )
    picks = _refine(pool[list(chosen.indices)], gaps, step=_spacing(pool) / 2, seconds_left=seconds_left)
    return PredictedDesign(
        prediction=predict(scored, picks, beta=beta),
        epsilon=gaps.worst(picks),
        candidates_epsilon=chosen.gap,
        candidates_bound=chosen.bound,
    )


class _PredictedGaps:
    """Predicted gaps of single policies at a dense lattice of preferences."""

    def __init__(self, rewards: Array, beta: float):
        self._rewards, self._beta = rewards, beta
        self._dense = finest_lattice(rewards.shape[2], DENSE_POINTS)
        self._best = predict(rewards, self._dense, beta=beta).optimum[:, None]

    def table(self, weights: Array) -> Array:
        """Compute (J*(v) - a_w · v) / J*(v) for each v of the lattice and each w, shape (m, k), at least 0."""
        worth = self._dense @ predict(self._rewards, weights, beta=self._beta).value_vectors.T
        return np.maximum(self._best - worth, 0.0) / self._best

    def worst(self, weights: Array) -> float:
        """Compute the predicted worst-case gap of a portfolio."""
        return float(self.table(weights).min(axis=1).max())


def _refine(picks: Array, gaps: _PredictedGaps, *, step: float, seconds_left: SecondsLeft) -> Array:
    """Move picks to the best of their neighbours while that lowers the predicted gap, in steps that are halved."""
    count, worst = len(picks), gaps.worst(picks)
    for _ in range(HALVINGS):
        before = np.inf
        while worst < before - WORTHWHILE and seconds_left() > 0:
            before = worst
            pool = _neighbours(picks, step)
            rows = TableRows(gaps.table(pool))
            found = search(rows, count, start=range(count), largest=np.inf, seconds_left=share_of(seconds_left, 1 / 2))
            if found.gap < worst:
                picks, worst = pool[list(found.indices)], found.gap
        step /= 2
    return picks


def _neighbours(picks: Array, step: float) -> Array:
    """Give the picks, then all points of the simplex that differ by moving ``step`` between two objectives."""
    d = picks.shape[1]
    moves = [step * (np.eye(d)[i] - np.eye(d)[j]) for i in range(d) for j in range(d) if i != j]
    moved = (picks[:, None] + np.array(moves)[None]).reshape(-1, d)
    return np.vstack([picks, moved[(moved >= 0).all(axis=1)]])


def _spacing(pool: Array) -> float:
    """Compute the largest change of a weight to the nearest other candidate, over all candidates; 0 for one."""
    apart = np.abs(pool[:, None] - pool[None]).max(axis=2)
    np.fill_diagonal(apart, np.inf)
    return float(apart.min(axis=1).max()) if len(pool) > 1 else 0.0


def _estimate(rewards: Array, weights: Array, beta: float) -> tuple[Array, ...]:
    """Estimate for a block of weights, in the order of Prediction's fields after the weights."""
    samples = rewards.shape[1]
    tilt = np.einsum("pnd,kd->kpn", rewards, weights, optimize=True) / beta
    logs = logsumexp(tilt, axis=2)
    importance = np.exp(tilt - logs[:, :, None])
    means = np.einsum("kpn,pnd->kd", importance, rewards, optimize=True) / len(rewards)
    optimum = beta * (logs - np.log(samples)).mean(axis=1)
    effective = 1 / (importance**2).sum(axis=2)
    return (
        means,
        np.maximum((means * weights).sum(axis=1) - optimum, 0.0),
        optimum,
        effective.mean(axis=1),
        effective.min(axis=1),
        beta / 2 * (1 / effective - 1 / samples).mean(axis=1),
    )


def _checked(rewards: ArrayLike, beta: float) -> Array:
    """Check scored rollouts and β."""
    scored = np.asarray(rewards, dtype=np.float64)
    if scored.ndim != 3 or 0 in scored.shape:
        raise DataError(
            f"rewards of shape {scored.shape}", rule="must be (prompts, samples, d)", remedy="score the rollouts"
        )
    if not ((scored >= 0) & (scored <= 1)).all():
        prompt = int(np.flatnonzero(~((scored >= 0) & (scored <= 1)).all(axis=(1, 2)))[0])
        raise DataError(f"rewards of prompt {prompt}", rule="must be in [0, 1]", remedy="normalise them")
    if not 0 < beta < np.inf:
        raise DataError(f"beta={beta}", rule="must be above 0 and finite", remedy="use the β of training")
    return scored
