"""Usage of a portfolio: the share of all preferences that each member serves best."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linprog
from scipy.spatial import ConvexHull, HalfspaceIntersection

from palm.errors import SelectionError
from palm.geometry.arrays import Array
from palm.geometry.portfolio.certificate import check_portfolio, check_value_vectors

MAX_EXACT_OBJECTIVES = 6
"""Up to this d the shares are volumes of polytopes; above, an estimate."""
THIN_RADIUS = 1e-9
"""A region that holds no ball of this radius has share 0."""
SAME_VALUE = 1e-12
"""Two members whose value vectors differ by less are the same; the first one serves."""
SUM_TOLERANCE = 1e-6
"""Largest difference of the volumes' sum from the simplex."""
SAMPLES = 200_000
SAMPLE_SEED = 20_260_404


def usage(value_vectors: ArrayLike, portfolio: Iterable[int]) -> dict[int, float]:
    """Compute the share of the simplex on which each member is the best of the portfolio.

    Returns:
        Index to share, in increasing order of index; the shares sum to 1. Exact (volumes of polytopes) for d up to 6;
        above, estimated from 200 000 fixed points (standard error at most 0.0012). Of members with the same value
        vector the first one serves.

    Source:
        Objectives are linear in v, so regions are polytopes; uniform measure on the simplex.
    """
    values = check_value_vectors(value_vectors)
    members = check_portfolio(portfolio, len(values))
    chosen = values[list(members)]
    same = (np.abs(chosen[:, None] - chosen[None]) <= SAME_VALUE).all(axis=2)
    firsts = np.flatnonzero(same.argmax(axis=1) == np.arange(len(chosen)))
    d = values.shape[1]
    if d == 2:
        volumes = _lengths(chosen[firsts])
    elif d <= MAX_EXACT_OBJECTIVES:
        volumes = np.array([_volume(chosen[firsts], number) for number in range(len(firsts))])
        volumes *= np.prod(np.arange(1, d))  # the simplex projects to volume 1 / (d - 1)!
    else:
        volumes = _sampled(chosen[firsts])
    if abs(volumes.sum() - 1) > SUM_TOLERANCE:
        raise SelectionError(
            f"portfolio={list(members)}",
            rule=f"the regions of its members fill {volumes.sum()} of the simplex",
            remedy="drop members that are almost equal",
        )
    shares = np.zeros(len(members))
    shares[firsts] = volumes / volumes.sum()
    return dict(zip(members, shares.tolist(), strict=True))


@dataclass(frozen=True)
class Diversity:
    """Evenness of the shares of a portfolio's members.

    Attributes:
        entropy: of the shares, in nats, from 0 to log of the number of members.
        effective_number: exp(entropy): this many members with equal shares would be as even.
        unused: members that serve no preference best, increasing.
    """

    entropy: float
    effective_number: float
    unused: tuple[int, ...]


def diversity(shares: dict[int, float]) -> Diversity:
    """Compute the evenness of shares, as ``usage`` gives them.

    Source:
        Shannon entropy; its exponential is Hill's number of order 1 (Hill 1973).
    """
    used = np.array([share for share in shares.values() if share > 0])
    entropy = max(0.0, -float((used * np.log(used)).sum()))
    return Diversity(
        entropy=entropy,
        effective_number=float(np.exp(entropy)),
        unused=tuple(member for member, share in shares.items() if share <= 0),
    )


def _lengths(chosen: Array) -> Array:
    """Compute the intervals of v_1 in [0, 1] on which each of two-objective members is best."""
    lengths = np.zeros(len(chosen))
    slopes, offsets = chosen[:, 0] - chosen[:, 1], chosen[:, 1]
    for number in range(len(chosen)):
        gradient, rest = slopes[number] - slopes, offsets[number] - offsets
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = -rest / gradient
        low = np.max(crossing, where=gradient > 0, initial=0.0)
        high = np.min(crossing, where=gradient < 0, initial=1.0)
        parallel_better = (gradient == 0) & (rest < 0)
        lengths[number] = 0.0 if parallel_better.any() else max(high - low, 0.0)
    return lengths


def _volume(chosen: Array, number: int) -> float:
    """Compute the volume of one member's region in the first d - 1 coordinates."""
    d = chosen.shape[1]
    others = np.delete(chosen, number, axis=0) - chosen[number]
    # With v_d = 1 - Σ v_i, the rows g · v + h ≤ 0: other members are not better, v ≥ 0, Σ v ≤ 1.
    faces = np.vstack(
        [
            np.column_stack([others[:, :-1] - others[:, -1:], others[:, -1]]),
            np.column_stack([-np.eye(d - 1), np.zeros(d - 1)]),
            np.append(np.ones(d - 1), -1.0),
        ]
    )
    norms = np.linalg.norm(faces[:, :-1], axis=1)
    flat = norms <= SAME_VALUE
    if (faces[flat, -1] > 0).any():
        return 0.0
    faces = faces[~flat] / norms[~flat, None]
    inside = linprog(
        np.append(np.zeros(d - 1), -1.0),
        A_ub=np.column_stack([faces[:, :-1], np.ones(len(faces))]),
        b_ub=-faces[:, -1],
        bounds=[(0, None)] * (d - 1) + [(None, None)],
        method="highs",
    )
    if inside.status != 0 or inside.x[-1] <= THIN_RADIUS:
        return 0.0
    corners = HalfspaceIntersection(faces, inside.x[:-1]).intersections
    return float(ConvexHull(corners).volume)


def _sampled(chosen: Array) -> Array:
    """Estimate the shares from fixed points drawn uniformly from the simplex."""
    points = np.random.default_rng(SAMPLE_SEED).dirichlet(np.ones(chosen.shape[1]), size=SAMPLES)
    return np.bincount((points @ chosen.T).argmax(axis=1), minlength=len(chosen)) / SAMPLES
