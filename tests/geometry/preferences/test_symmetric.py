"""Orbits, and preferences in decreasing order."""

from itertools import permutations

import numpy as np
import pytest

from palm.geometry.preferences.cells import in_cell
from palm.geometry.preferences.coverage import check_coverage
from palm.geometry.preferences.symmetric import orbit, orbit_sizes, ordered_holes, ordered_lattice


@pytest.mark.parametrize(
    "weights", [[1, 0, 0], [0.2, 0.3, 0.5], [0.4, 0.2, 0.4], [1 / 3] * 3, [0.1, 0.1, 0.4, 0.4], [0.1, 0.2, 0.3, 0.4]]
)
def test_orbit_is_every_order_once(weights):
    members = orbit(weights)
    assert {tuple(row) for row in members.tolist()} == set(permutations(weights))
    assert len(members) == orbit_sizes(np.array([weights]))[0] == len(set(permutations(weights)))


@pytest.mark.parametrize(("objectives", "epsilon"), [(3, 0.4), (3, 0.0), (5, 0.2)])
def test_ordered_lattice(objectives, epsilon):
    rows = ordered_lattice(objectives, 300, epsilon=epsilon, delta=0.05)
    assert 100 < len(rows) <= 300
    assert (np.diff(rows, axis=1) <= 0).all()
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-12)
    assert len(np.unique(rows.round(12), axis=0)) == len(rows)
    for corner in ([1.0] + [0.0] * (objectives - 1), [1 / objectives] * objectives):
        assert abs(rows - corner).max(axis=1).min() < 1e-12


def test_decreasing_order_serves_whatever_any_order_serves():
    rng = np.random.default_rng(0)
    points, vectors = (-np.sort(-rng.dirichlet(np.ones(4), 200), axis=1) for _ in range(2))
    ordered = in_cell(points[:, None], vectors[None], epsilon=0.3, delta=0.05)
    for order in permutations(range(4)):
        assert not (in_cell(points[:, None], vectors[None][..., order], epsilon=0.3, delta=0.05) & ~ordered).any()


def test_holes_are_found_exactly_when_there_are_some():
    rng = np.random.default_rng(1)
    seen = []
    for _ in range(60):
        accuracy = {"epsilon": rng.uniform(0, 0.6), "delta": rng.uniform(0.02, 0.3)}
        grid = np.concatenate([orbit(point) for point in rng.dirichlet(np.ones(3), rng.integers(1, 8))])
        holes = ordered_holes(grid, limit=20, **accuracy)
        seen.append(len(holes) > 0)
        assert check_coverage(grid, **accuracy).covered != seen[-1]
        assert (np.diff(holes, axis=1) <= 0).all()
        assert not in_cell(holes[:, None], grid[None], **accuracy).any()
    assert 5 < sum(seen) < 55
