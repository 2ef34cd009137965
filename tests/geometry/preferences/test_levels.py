"""Levels of the pivot grid."""

import numpy as np
import pytest

from palm.errors import WeightsError
from palm.geometry.preferences.levels import find_levels, pivot_grid, pivot_size


def test_pivot_grid_by_hand():
    grid = pivot_grid(2, (0.25, 0.5))
    np.testing.assert_allclose(grid, [[0.8, 0.2], [2 / 3, 1 / 3], [0.2, 0.8], [1 / 3, 2 / 3]])


@pytest.mark.parametrize(("objectives", "levels"), [(2, 3), (3, 4), (4, 2), (5, 2)])
def test_pivot_grid_has_its_size_and_symmetry(objectives, levels):
    grid = pivot_grid(objectives, np.linspace(0.1, 0.7, levels))
    assert len(grid) == pivot_size(objectives, levels) == objectives * levels ** (objectives - 1)
    np.testing.assert_allclose(grid.sum(axis=1), 1, atol=1e-12)
    swapped = np.roll(grid, 1, axis=1)
    np.testing.assert_allclose(np.unique(grid.round(12), axis=0), np.unique(swapped.round(12), axis=0))


def test_no_levels_within_reach():
    with pytest.raises(WeightsError, match="no cover of at most 10000 vectors; raise epsilon or delta"):
        find_levels(6, epsilon=0.05, delta=0.01)
