"""Whether any vector serves weighted preferences of a total above 1: split the vectors until every piece is clear."""

import numpy as np

from palm.verification.fault import Fault, shown

SERVING_MARGIN = 1e-10
"""A vector counts as serving also what it would serve only with a δ' that is larger by this: the safe side."""

THIN = 1e-12
"""A piece thinner than this in one coordinate is skipped: what is served there is served next to it, by the margin."""

LOAD_TOLERANCE = 1e-9
"""How far above 1 the total that one vector serves may be; the lower bound is divided by as much."""


def check_loads(points, shares, *, epsilon, delta):
    """Check that no preference vector serves preferences of a total weight above 1.

    Args:
        points: v, shape (m, d), rows on the simplex.
        shares: weight of each, shape (m,), at least 0.
        epsilon: multiplicative tolerance ε' of the cells, in [0, 1).
        delta: additive tolerance δ' of the cells, in [0, 1].

    Raises:
        Fault: a vector w does; it names w and the heaviest preference that it serves.

    Source:
        Derived: w serves v iff |w_i - v_i| ≤ ε' v_i + δ' for every i (Lemma 3.2 of arXiv 2604.04144), a box in w. In a
        piece (a box cut with the simplex) no w serves more than the total of the boxes that meet it. If points
        and weights stay the same when objectives change places, it suffices to look at decreasing w.
    """
    slack = delta + SERVING_MARGIN
    box_lows, box_highs = points * (1 - epsilon) - slack, points * (1 + epsilon) + slack
    decreasing = _is_symmetric(points, shares)
    d = points.shape[1]
    pieces = [(np.zeros(d), np.ones(d), np.arange(len(points)))]
    while pieces:
        low, high, near = pieces.pop()
        low, high = np.maximum(low, high - (high.sum() - 1)), np.minimum(high, low + (1 - low.sum()))
        if decreasing:
            low, high = np.maximum.accumulate(low[::-1])[::-1], np.minimum.accumulate(high)
        if (high - low).min() <= THIN:
            continue
        lows, highs = np.maximum(box_lows[near], low), np.minimum(box_highs[near], high)
        thickness = np.minimum((highs - lows).min(axis=1), np.minimum(1 - lows.sum(axis=1), highs.sum(axis=1) - 1))
        meets = thickness > THIN
        near, lows, highs = near[meets], lows[meets], highs[meets]
        if shares[near].sum() <= 1 + LOAD_TOLERANCE:
            continue
        faces = np.concatenate([lows - low, highs - low], axis=1) / np.tile(high - low, 2)
        inside = np.minimum(faces, 1 - faces)
        if inside.max() <= 0:
            _refuse(low + (high - low) * (1 - low.sum()) / (high - low).sum(), near, shares)
        row, face = np.unravel_index(np.argmax(inside), inside.shape)
        below, above = high.copy(), low.copy()
        below[face % d] = above[face % d] = (lows if face < d else highs)[row, face % d]
        pieces += [(low, below, near), (above, high, near)]


def _is_symmetric(points, shares):
    """Say whether points and weights stay the same, as a set, when any two objectives change places."""

    def listed(rows):
        return sorted(map(tuple, np.column_stack([rows, shares]).tolist()))

    def exchanged(axis):
        order = np.arange(points.shape[1])
        order[[axis, axis + 1]] = axis + 1, axis
        return points[:, order]

    # Exchanges of neighbours make every order.
    return all(listed(exchanged(axis)) == listed(points) for axis in range(points.shape[1] - 1))


def _refuse(vector, served, shares):
    heaviest = int(served[np.argmax(shares[served])])
    raise Fault(
        ("packing_weights",),
        f"must total at most 1 over what any vector serves, but w={shown(vector)} serves {shares[served].sum():.9g}",
        others=[("packing", heaviest)],
    )
