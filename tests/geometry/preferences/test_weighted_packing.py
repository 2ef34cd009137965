"""Lower bounds from weighted packings, against the definition."""

from math import inf

import numpy as np
import pytest

from palm.geometry.preferences.cells import in_cell
from palm.geometry.preferences.symmetric import orbit
from palm.geometry.preferences.weighted_packing import overloads, weighted_packing

CASES = [(3, 0.4, 0.0125), (3, 0.0, 0.15), (3, 0.2, 0.05), (4, 0.4, 0.05)]


@pytest.mark.parametrize(("objectives", "epsilon", "delta"), CASES)
def test_no_vector_serves_a_total_above_one(objectives, epsilon, delta):
    packing = weighted_packing(objectives, epsilon=epsilon, delta=delta, rounds=20, seconds_left=lambda: inf)
    rng = np.random.default_rng(0)
    # Vectors that just serve a preference are where totals are largest.
    near = packing.points[rng.integers(len(packing.points), size=8000)]
    edge = near + rng.choice([-1, 1], near.shape) * (epsilon * near + delta) * (1 - 1e-9)
    edge = edge[(edge >= 0).all(axis=1)]
    vectors = np.vstack([rng.dirichlet(np.full(objectives, 0.6), 8000), edge / edge.sum(axis=1, keepdims=True)])
    totals = np.concatenate(
        [
            in_cell(packing.points[None], part[:, None], epsilon=epsilon, delta=delta) @ packing.weights
            for part in np.array_split(vectors, 40)
        ]
    )
    assert totals.max() <= 1


@pytest.mark.parametrize("objectives", [3, 4])
def test_largest_load_is_attained_and_never_exceeded(objectives):
    """Random weights, so that nothing is packed: against the definition at the place that was found and elsewhere."""
    rng = np.random.default_rng(objectives)
    for _ in range(10):
        epsilon, delta = rng.uniform(0, 0.4), rng.uniform(0.02, 0.1)
        orbits = [orbit(point) for point in rng.dirichlet(np.ones(objectives), 6)]
        weights = np.concatenate([np.full(len(members), rng.random()) for members in orbits])
        points = np.concatenate(orbits)
        found = overloads(points, weights, epsilon=epsilon, delta=delta)

        def load(vectors, points=points, weights=weights, epsilon=epsilon, delta=delta):
            return in_cell(points[None], vectors[:, None], epsilon=epsilon, delta=delta) @ weights

        near = rng.dirichlet(20 * found.vectors[-1] + 0.2, 3000) if len(found.vectors) else points
        assert load(near).max() <= found.load
        assert load(rng.dirichlet(np.ones(objectives), 20_000)).max() <= found.load
        if len(found.vectors):
            assert load(found.vectors, delta=delta + 1e-8).max() == pytest.approx(found.load)


def test_bound_at_figure_1_is_36():
    packing = weighted_packing(3, epsilon=0.4, delta=0.0125, rounds=20, seconds_left=lambda: inf)
    assert packing.bound == 36


def test_bound_is_kept_when_time_is_over():
    packing = weighted_packing(3, epsilon=0.4, delta=0.0125, rounds=20, seconds_left=lambda: 0)
    assert 1 <= packing.bound <= 36


def test_largest_load_is_found_by_hand():
    """δ' = 0.1: (1/2, 1/4, 1/4) and its orders share no vector; twice the same preference always does."""
    points = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.5]])
    alone = overloads(points, np.ones(3), epsilon=0.0, delta=0.1)
    assert alone.load == pytest.approx(1, abs=1e-8)
    assert not len(alone.vectors)
    together = overloads(points, np.full(3, 0.8), epsilon=0.0, delta=0.2)
    assert together.load == pytest.approx(2.4)
    served = in_cell(points[None], together.vectors[:, None], epsilon=0.0, delta=0.2)
    assert served.all(axis=1).any()
