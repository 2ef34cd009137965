"""Training in rounds: which preferences to train next, until a gap to the true optimum is certified."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from palm.errors import SelectionError, WeightsError
from palm.geometry.adaptive.face_plan import Face, corner_gaps, plan_face
from palm.geometry.adaptive.interpolation import Interpolation, value_vector
from palm.geometry.adaptive.optimum_bounds import OptimumBounds, OptimumGap, bound_optimum
from palm.geometry.arrays import Array
from palm.geometry.preferences.simplex import check_objectives, check_size

SAME_PREFERENCE = 1e-6
"""Preferences that differ by less than this in every weight are not trained twice."""


@dataclass(frozen=True, eq=False)
class NextBatch:
    """Preferences to train next.

    Attributes:
        weights: shape (m, d), m at most the size asked for; empty when the target is met.
        gap: of the trained policies, certified; None before the first one.
    """

    weights: Array
    gap: OptimumGap | None


@dataclass(frozen=True, eq=False)
class AdaptiveDesign:
    """The policies of a design in rounds.

    Attributes:
        weights: preferences in the order of training, shape (n, d).
        upper: upper bounds of J*(w_k), shape (n,).
        gap: certified against the true optimum; above the target only if the limit stopped the training.
        rounds: number of batches.
    """

    weights: Array
    value_vectors: Array
    upper: Array
    gap: OptimumGap
    rounds: int


def next_batch(
    weights: ArrayLike, value_vectors: ArrayLike, upper: ArrayLike, *, size: int, target: float, delta: float = 0.0
) -> NextBatch:
    """Choose the preferences to train next for a certified gap to the true optimum.

    Args:
        weights: preferences of the policies trained so far, shape (n, d); (0, d) at the start.
        upper: u_k ≥ J*(w_k), shape (n,).
        size: the most preferences to train at once, at least 1.
        target: multiplicative gap to certify, in (0, 1).

    Returns:
        The corners first, then the points of a plan. The same input gives the same batch. Whatever is
        chosen, the gap is certified; the plan only decides how few policies it takes.

    Raises:
        DataError: the policies' numbers are malformed or contradict each other.
        SelectionError: a policy is farther from the optimum than the target allows at its own preference.

    Source:
        Derived. J* is interpolated through the known values and gradients. Face by face, edges first, as few
        points as possible are placed so that the bounds will be within the target (``face_plan.plan_face``): the
        upper bound on a face can only come from policies on that face. Those with the widest bounds come first.
    """
    rows = np.asarray(weights, dtype=np.float64)
    if rows.ndim != 2:
        raise WeightsError(
            f"weights of shape {rows.shape}", rule="must be (n, d)", remedy="give an empty (0, d) array at the start"
        )
    count, corners = check_size(size), np.eye(check_objectives(rows.shape[1]))
    if not 0 < target < 1:
        raise WeightsError(f"target={target}", rule="must be in (0, 1)", remedy="use 0.05 for 5 percent")
    if not len(rows):
        return NextBatch(weights=corners[:count], gap=None)
    bounds = bound_optimum(rows, value_vectors, upper)
    gap = bounds.worst(delta=delta)
    if gap.epsilon <= target:
        return NextBatch(weights=np.empty((0, len(corners))), gap=gap)
    missing = _new(corners, rows)
    if len(missing):
        return NextBatch(weights=missing[:count], gap=gap)
    _check_reachable(bounds, rows, target=target, delta=delta)
    slack = float(np.median(upper - (rows * bounds.value_vectors).sum(axis=1)))
    picks = _planned(bounds, rows, count, slack, target=target, delta=delta)
    if not len(picks):
        picks = _new(gap.worst_weights[None], rows)
    if not len(picks):
        raise SelectionError(
            f"target={target}",
            rule=f"is missed at {np.round(gap.worst_weights, 6).tolist()}, where a policy is already trained",
            remedy="train that policy further or allow a larger target",
        )
    return NextBatch(weights=picks, gap=gap)


def _new(points: Array, rows: Array) -> Array:
    """Keep the points that are not trained yet."""
    distance = np.abs(points[:, None] - rows[None]).max(axis=2).min(axis=1)
    return points[distance > SAME_PREFERENCE]


def _check_reachable(bounds: OptimumBounds, rows: Array, *, target: float, delta: float) -> None:
    """Check that every policy is within the target at its own preference."""
    upper = bounds.envelope.at(rows)
    gaps = (upper - bounds.lower(rows) - delta) / upper
    policy = int(np.argmax(gaps))
    if gaps[policy] > target:
        raise SelectionError(
            f"target={target}",
            rule=f"policy {policy} may be {gaps[policy]:.1%} below the optimum at its own preference weights",
            remedy="train it closer to the optimum or allow a larger target",
        )


def _planned(bounds: OptimumBounds, rows: Array, count: int, slack: float, *, target: float, delta: float) -> Array:
    """Plan face by face, smaller faces first, until the batch is full."""
    d = rows.shape[1]
    guess = Interpolation(rows, bounds.value_vectors)
    picks = np.empty((0, d))
    for size in range(2, d + 1):
        for axes in combinations(range(d), size):
            if len(picks) == count:
                return picks
            face = _face(bounds, axes, picks, guess, slack)
            if corner_gaps(face, delta=delta).gaps.max() <= target:
                continue
            places = plan_face(face, guess, target=target, delta=delta)
            found = np.zeros((len(places), d))
            found[:, axes] = places
            found = _new(found, np.vstack([rows, picks]))
            upper = bounds.envelope.at(found) if len(found) else np.empty(0)
            width = upper - (found @ bounds.value_vectors.T).max(axis=1)
            picks = np.vstack([picks, found[np.argsort(-width, kind="stable")]])[:count]
    return picks


def _face(bounds: OptimumBounds, axes: tuple[int, ...], picks: Array, guess: Interpolation, slack: float) -> Face:
    """Restrict policies and bounds, and the guess for the picks, to a face."""
    points, values, heights = bounds.envelope.points, bounds.value_vectors, bounds.envelope.bounds
    if len(picks):
        optimum, gradients = guess(picks)
        points, heights = np.vstack([points, picks]), np.append(heights, optimum + slack)
        values = np.vstack([values, value_vector(picks, optimum, gradients)])
    on_face = (np.delete(points, axes, axis=1) == 0).all(axis=1)
    return Face(
        axes=axes, values=values[:, axes], points=points[on_face][:, axes], bounds=heights[on_face], slack=slack
    )


def adaptive_design(
    train: Callable[[Array], tuple[Array, Array]],
    objectives: int,
    *,
    target: float,
    batch: int = 1,
    limit: int = 1000,
) -> AdaptiveDesign:
    """Train in rounds until the gap to the true optimum is certified, see ``next_batch``.

    Args:
        train: function from preferences, shape (m, d), to the value vectors of their policies, shape (m, d), and
            upper bounds of J* there, shape (m,).
        limit: the most policies to train, at least 1.
    """
    d = check_objectives(objectives)
    most = check_size(limit)
    weights, values, upper, rounds = np.empty((0, d)), np.empty((0, d)), np.empty(0), 0
    while True:
        chosen = next_batch(weights, values, upper, size=batch, target=target)
        new = chosen.weights[: most - len(weights)]
        if not len(new):
            assert chosen.gap is not None  # the corners are trained
            return AdaptiveDesign(weights=weights, value_vectors=values, upper=upper, gap=chosen.gap, rounds=rounds)
        more_values, more_upper = train(new)
        weights, values = np.vstack([weights, new]), np.vstack([values, more_values])
        upper, rounds = np.append(upper, more_upper), rounds + 1
