"""The upper convex envelope of known bounds on J*: cells that are proven to fill the whole simplex."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.spatial import ConvexHull

from palm.errors import SelectionError
from palm.geometry.arrays import Array, Integers

SNAP = 1e-9
"""Weights below this are moved to 0, and points closer than this are one; the bound grows by what the move can cost."""
TRIVIAL_BOUND = 1.0
"""J*(e_i) is at most this: rewards are at most 1 and the regulariser is not negative."""
SMALLEST_BOUND = 1e-6
"""Bounds are raised to at least this, so that a gap relative to them has a meaning."""
APEX_HEIGHT = 10.0
"""Height above all bounds of the point that closes the hull."""
DOWNWARD = -1e-12
"""A facet faces down, and is part of the envelope, if its normal's last coordinate is below this."""
CLEARLY_OUTSIDE = 1e-14
"""A point is on a definite side of a cell's face if the determinant is larger than this."""
JITTERS = (0.0, 1e-9, 1e-8, 1e-7)
"""Bounds are raised by up to this much, in turn, until the cells are proven to fill the simplex."""
GOLDEN_RATIO = (5**0.5 - 1) / 2
"""Its multiples modulo 1 are spread numbers without a pattern."""
GENERIC_POINTS = 20
"""Most points tried for one that lies on no cell's face."""
LOCATE_ENTRIES = 4_000_000
"""Points are located in blocks of at most about this many numbers."""


@dataclass(frozen=True, eq=False)
class Envelope:
    """Bounds on J* at points of the simplex, joined by a triangulation that fills it.

    Attributes:
        points: preference weights, shape (m, d); all corners are among them.
        bounds: upper bounds of J* there, shape (m,).
        cells: indices of the d corners of each cell, shape (c, d); together the cells fill the simplex (proven).
        pieces: the envelope is about max_c pieces_c · v, shape (c, d): for search, not for proofs.
    """

    points: Array
    bounds: Array
    cells: Integers
    pieces: Array

    def at(self, weights: Array) -> Array:
        """Bound J* from above at preferences, shape (m, d).

        Proven by the convex combination λ that is found, whatever its rounding: the bound is Σ λ_k u_k plus the largest
        possible difference of J* between v and Σ λ_k w_k.
        """
        step = max(1, LOCATE_ENTRIES // (len(self.cells) * weights.shape[1]))
        starts = range(0, max(len(weights), 1), step)
        return np.concatenate([self._at(weights[start : start + step]) for start in starts])

    def _at(self, weights: Array) -> Array:
        cell = self.cells[np.argmax(weights @ self.pieces.T, axis=1)]
        corners = self.points[cell]
        # Thin cells may be singular to rounding; least squares gives some combination, and any one is valid.
        shares = np.einsum("mdk,md->mk", np.linalg.pinv(corners), weights)
        shares = np.maximum(shares, 0)
        return (shares * self.bounds[cell]).sum(axis=1) + move_cost(
            np.einsum("mk,mkd->md", shares, corners), to=weights
        )


def move_cost(weights: Array, *, to: Array) -> Array:
    """Bound J*(to) - J*(weights) by Σ_i max(to_i - w_i, 0); both have shape (m, d) and are not negative.

    Source:
        Derived: for each policy (to - w) · R is at most that, since 0 ≤ R ≤ 1; J* is the maximum over policies.
    """
    return np.maximum(to - weights, 0).sum(axis=1)


def upper_envelope(weights: Array, bounds: Array) -> Envelope:
    """Join upper bounds u_k ≥ J*(w_k) at n preferences to an upper bound everywhere.

    A SelectionError says that rounding defeats the proof that the cells fill the simplex.

    Source:
        J* is convex, so J*(Σ λ_k w_k) ≤ Σ λ_k u_k; the smallest such bound is the lower hull of the points
        (w_k, u_k). At a corner without a policy J* ≤ 1.
    """
    points, values = _cleaned(weights, bounds)
    for jitter in JITTERS:
        # Raising a bound keeps it valid and parts points that lie on one plane.
        raised = values + jitter * (np.arange(len(values)) * GOLDEN_RATIO % 1)
        cells, pieces = lower_hull(points, raised)
        if fills_simplex(points, cells):
            return Envelope(points=points, bounds=raised, cells=cells, pieces=pieces)
    raise SelectionError(
        f"preference weights of {len(points)} policies",
        rule="some are too close to each other to triangulate the simplex",
        remedy="leave one of each close pair out of the bounds",
    )


def _cleaned(weights: Array, bounds: Array) -> tuple[Array, Array]:
    """Add the corners, snap to the faces, merge what is equal; every bound stays valid."""
    corners = np.eye(weights.shape[1])
    given = np.vstack([weights, corners])
    given_bounds = np.append(bounds, np.full(len(corners), TRIVIAL_BOUND))
    points = np.where(given < SNAP, 0.0, given)
    points /= points.sum(axis=1, keepdims=True)
    _, first, same = np.unique(np.round(points / SNAP), axis=0, return_index=True, return_inverse=True)
    kept = points[first]
    valid = given_bounds + move_cost(given, to=kept[same.ravel()])
    lowest = np.full(len(kept), np.inf)
    np.minimum.at(lowest, same.ravel(), valid)
    return kept, np.maximum(lowest, SMALLEST_BOUND)


def lower_hull(points: Array, bounds: Array) -> tuple[Integers, Array]:
    """Compute the lower hull of points above the simplex, all corners among them, with Qhull: nothing is proven.

    Returns:
        Indices of the d corners of each cell, shape (c, d), and the affine function of each, shape (c, d): the hull
        is max_c pieces_c · v.
    """
    d = points.shape[1]
    apex = np.append(np.full(d - 1, 1 / d), bounds.max() + APEX_HEIGHT)
    hull = ConvexHull(np.vstack([np.column_stack([points[:, :-1], bounds]), apex]))
    below = (hull.simplices < len(points)).all(axis=1) & (hull.equations[:, -2] < DOWNWARD)
    plane = hull.equations[below] / -hull.equations[below, -2:-1]
    pieces = np.column_stack([plane[:, :-2] + plane[:, -1:], plane[:, -1]])
    return np.sort(hull.simplices[below], axis=1), pieces


def fills_simplex(points: Array, cells: Integers) -> bool:
    """Prove that cells leave no hole in the simplex; False if that fails.

    Points that lie on a face of the simplex have exact zeros.

    Source:
        Derived. If every face of a cell belongs to an even number of cells or lies in a face of the simplex, then
        every point off the faces lies in an odd number of cells, or every one in an even number: crossing a face
        does not change the parity. One point that lies in an odd number decides. Only the sign of determinants
        counts, and a point is used only if all are clear; no volume is summed.
    """
    d = points.shape[1]
    if not len(cells):
        return False
    faces = np.concatenate([cells[:, list(kept)] for kept in combinations(range(d), d - 1)])
    faces, counts = np.unique(faces, axis=0, return_counts=True)
    odd = faces[counts % 2 == 1]
    if not (points[odd] == 0).all(axis=1).any(axis=1).all():
        return False
    corners = points[cells]
    largest = np.argsort(-np.abs(np.linalg.det(corners)), kind="stable")[:GENERIC_POINTS]
    for centre in corners[largest].mean(axis=1):
        replaced = np.repeat(corners[:, None], d, axis=1)
        replaced[:, np.arange(d), np.arange(d)] = centre
        sides = np.linalg.det(replaced)
        inside = (sides > CLEARLY_OUTSIDE).all(axis=1) | (sides < -CLEARLY_OUTSIDE).all(axis=1)
        outside = (sides > CLEARLY_OUTSIDE).any(axis=1) & (sides < -CLEARLY_OUTSIDE).any(axis=1)
        if (inside | outside).all():
            return bool(inside.sum() % 2 == 1)
    return False
