"""Plans for one face of the simplex: the fewest further policies, by a guess of J*."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.spatial import HalfspaceIntersection

from palm.geometry.adaptive.envelope import SMALLEST_BOUND, lower_hull
from palm.geometry.adaptive.interpolation import Interpolation, value_vector
from palm.geometry.arrays import Array, Integers

POWER = 6
"""The worst gap is smoothed to the mean of this power of all gaps; on the testbed 4 to 16 are about equally good."""
MOVE_FROM = 2.5
"""Points are moved only when the worst gap is at most this many times the target: with more, one is added."""
ITERATIONS = 60
"""Most steps of a move."""
NEGLIGIBLE = 1e-4
"""Vertices that count less than this, relative to the worst, do not steer a move."""
NO_GAP = 1e-12
"""Gaps below this, relative to the target, are none."""
BOUNDARY = 1e-9
"""A coordinate below this lies on the boundary of the face."""
CEILING = 5.0
"""Height above all values at which the region of the lower bound is closed."""


@dataclass(frozen=True, eq=False)
class Face:
    """Policies and bounds on J* on one face of the simplex, in the coordinates of the face.

    Attributes:
        axes: the objectives that may have a weight on the face, s of them.
        values: value vectors of all policies, shape (n, s).
        points: preferences on the face, with an upper bound of J*; all corners are among them; shape (m, s).
        bounds: the bounds there, shape (m,).
        slack: how far the bound at a new policy is expected to be above what the policy attains; 0 if exact.
    """

    axes: tuple[int, ...]
    values: Array
    points: Array
    bounds: Array
    slack: float = 0.0


@dataclass(frozen=True, eq=False)
class CornerGaps:
    """The gap at every vertex ("corner weight") of the lower bound's regions.

    Attributes:
        weights: the vertices, shape (c, s).
        gaps: multiplicative gap there, shape (c,).
        upper: upper bound there, shape (c,).
        tight: the s constraints that meet there, shape (c, s): a policy k as k, the boundary v_i = 0 as n + i.
        cells: the corners of the envelope's cell that it lies in, shape (c, s).
        pieces: the affine upper bound on that cell, shape (c, s).
    """

    weights: Array
    gaps: Array
    upper: Array
    tight: Integers
    cells: Integers
    pieces: Array


def corner_gaps(face: Face, *, delta: float) -> CornerGaps:
    """Compute the gap at the vertices of the lower bound's regions, one of which has the largest gap of the face.

    Up to rounding: for search, not for proofs.

    Source:
        Roijers (2016), optimistic linear support: the upper bound is convex and the lower one affine on each region.
    """
    vertices, tight = corner_weights(face.values)
    cells, pieces = lower_hull(face.points, face.bounds)
    worth = vertices @ pieces.T
    which = worth.argmax(axis=1)
    upper = np.maximum(worth.max(axis=1), SMALLEST_BOUND)
    lower = (vertices @ face.values.T).max(axis=1)
    return CornerGaps(
        weights=vertices,
        gaps=(upper - lower - delta) / upper,
        upper=upper,
        tight=tight,
        cells=cells[which],
        pieces=pieces[which],
    )


def corner_weights(values: Array) -> tuple[Array, Integers]:
    """Find the preferences at which the best of several policies changes.

    Returns:
        The vertices, shape (c, d), and the d constraints that meet at each, shape (c, d): policy k as k, v_i = 0
        as n + i.
    """
    n, d = values.shape
    ceiling = values.max() + CEILING
    # In (v_1, …, v_{d-1}, t): a_k · v ≤ t, v ≥ 0, t below a ceiling that no vertex of interest touches.
    rows = np.vstack(
        [
            np.column_stack([values[:, :-1] - values[:, -1:], -np.ones(n), values[:, -1]]),
            np.column_stack([-np.eye(d - 1), np.zeros((d - 1, 2))]),
            np.append(np.ones(d - 1), [0.0, -1.0]),
            np.append(np.zeros(d - 1), [1.0, -ceiling]),
        ]
    )
    inside = np.append(np.full(d - 1, 1 / d), ceiling - 1)
    found = HalfspaceIntersection(rows, inside, qhull_options="Qt")
    kept = [number for number, facet in enumerate(found.dual_facets) if n + d not in facet and len(facet) == d]
    places = found.intersections[kept, :-1]
    vertices = np.maximum(np.column_stack([places, 1 - places.sum(axis=1)]), 0)
    vertices[vertices < BOUNDARY] = 0
    return vertices / vertices.sum(axis=1, keepdims=True), np.array([found.dual_facets[number] for number in kept])


def plan_face(face: Face, guess: Interpolation, *, target: float, delta: float) -> Array:
    """Place the fewest further preferences inside a face that bring its gap to a target, by the guess of J*.

    Returns:
        Shape (m, s), in the coordinates of the face; empty if only its boundary misses the target.

    Source:
        Derived. One point at a time is added at the worst vertex; all are then moved to make the worst gap smallest.
    """
    added = np.empty((0, len(face.axes)))
    while True:
        found = corner_gaps(with_points(face, added, guess), delta=delta)
        if len(added) and target < found.gaps.max() <= MOVE_FROM * target:
            added, found = _moved(face, added, found, guess, target=target, delta=delta)
        inner = (found.weights > BOUNDARY).all(axis=1)
        if not inner.any() or found.gaps[inner].max() <= target:
            return added
        worst = np.flatnonzero(inner)[np.argmax(found.gaps[inner])]
        added = np.vstack([added, found.weights[worst]])


def with_points(face: Face, added: Array, guess: Interpolation) -> Face:
    """Add policies to a face as the guess of J* sees them."""
    if not len(added):
        return face
    full = _embedded(face, added, guess)
    optimum, gradients = guess(full)
    return Face(
        axes=face.axes,
        values=np.vstack([face.values, value_vector(full, optimum, gradients)[:, face.axes]]),
        points=np.vstack([face.points, added]),
        bounds=np.append(face.bounds, optimum + face.slack),
        slack=face.slack,
    )


def _embedded(face: Face, points: Array, guess: Interpolation) -> Array:
    full = np.zeros((len(points), guess.weights.shape[1]))
    full[:, face.axes] = points
    return full


def _moved(
    face: Face, added: Array, before: CornerGaps, guess: Interpolation, *, target: float, delta: float
) -> tuple[Array, CornerGaps]:
    """Move the added points so that the worst gap gets smaller; the points and gaps before if it does not."""
    logits = np.log(np.maximum(added, BOUNDARY))
    result = minimize(
        _smooth_gap,
        (logits[:, :-1] - logits[:, -1:]).ravel(),
        args=(face, guess, target, delta),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": ITERATIONS},
    )
    points = _softmax(result.x.reshape(len(added), -1))
    after = corner_gaps(with_points(face, points, guess), delta=delta)
    return (points, after) if after.gaps.max() < before.gaps.max() else (added, before)


def _smooth_gap(logits: Array, face: Face, guess: Interpolation, target: float, delta: float) -> tuple[float, Array]:
    """Give the logarithm of the smoothed worst gap, relative to the target, and its gradient."""
    points = _softmax(logits.reshape(-1, len(face.axes) - 1))
    found = corner_gaps(with_points(face, points, guess), delta=delta)
    ratios = np.maximum(found.gaps, 0) / target
    top = max(ratios.max(), NO_GAP)
    powers = (ratios / top) ** (POWER - 1)
    total = (powers * ratios / top).sum() + NO_GAP
    slopes = _slopes(face, points, found, powers / (total * top * target), guess)
    along = points * (slopes - (points * slopes).sum(axis=1, keepdims=True))
    return np.log(top) + np.log(total) / POWER, along[:, :-1].ravel()


def _softmax(logits: Array) -> Array:
    """Map unbounded coordinates, one fewer than axes, to the inside of the face."""
    raised = np.column_stack([logits, np.zeros(len(logits))])
    raw = np.exp(raised - raised.max(axis=1, keepdims=True))
    return raw / raw.sum(axis=1, keepdims=True)


def _slopes(face: Face, added: Array, found: CornerGaps, weights: Array, guess: Interpolation) -> Array:
    """Differentiate Σ_c weights_c gap_c with respect to the added points, shape (m, s).

    Source:
        Derived. At a vertex v with tight constraints M (v, t) = 0 the adjoint y of M gives the change of the gap
        1 - (t + δ) / U; with U = Σ λ_j u_j on the cell of v, U changes by λ_p (∇J* - ∇U) · dx when point p moves,
        and the value vector of p changes by its curvature: d(a_p · v) = (v - x_p) · H dx.
    """
    size = len(face.axes)
    kept = weights > NEGLIGIBLE * weights.max()
    vertices, upper, pieces = found.weights[kept], found.upper[kept], found.pieces[kept]
    scale = ((1 - found.gaps[kept]) / upper)[:, None]
    full = with_points(face, added, guess)
    columns = np.vstack(
        [
            np.column_stack([full.values, np.ones(len(full.values))]),
            np.column_stack([np.eye(size), np.zeros(size)]),
            np.append(np.ones(size), 0.0),
        ]
    )
    tight = np.column_stack([found.tight[kept], np.full(kept.sum(), len(columns) - 1)])
    adjoint = _solved(columns[tight], np.column_stack([scale * pieces, 1 / upper]))
    shares = _solved(full.points[found.cells[kept]], vertices)
    places = _embedded(face, added, guess)
    gradients = guess(places)[1][:, face.axes]
    curvatures = guess.curvature(places)[:, face.axes][:, :, face.axes]
    slopes = np.empty_like(added)
    for number, place in enumerate(added):
        of_bound = (shares * (found.cells[kept] == len(face.points) + number)).sum(axis=1, keepdims=True)
        of_value = (adjoint * (tight == len(face.values) + number)).sum(axis=1, keepdims=True)
        change = scale * of_bound * (gradients[number] - pieces) - of_value * (vertices - place) @ curvatures[number]
        slopes[number] = weights[kept] @ change
    return slopes


def _solved(rows: Array, targets: Array) -> Array:
    """Solve Σ_j x_j rows_j = target for many small systems, the smallest solution where they are singular."""
    return np.einsum("cij,ci->cj", np.linalg.pinv(rows), targets)
