"""Covers of few vectors."""

from math import inf

import numpy as np
import pytest

from palm.errors import WeightsError
from palm.geometry.preferences.coverage import check_coverage
from palm.geometry.preferences.grids import palm_grid
from palm.geometry.preferences.minimal import minimal_grid


def search(objectives, *, epsilon, delta, start=None, enough=1, seconds=inf):
    sizes = []
    grid = minimal_grid(
        objectives,
        epsilon=epsilon,
        delta=delta,
        start=start,
        enough=enough,
        seconds_left=lambda: seconds,
        on_cover=sizes.append,
    )
    return grid, sizes


@pytest.mark.parametrize(
    ("objectives", "epsilon", "delta", "enough"),
    [(3, 0.5, 0.1, 6), (3, 0.0, 0.2, 9), (4, 0.5, 0.15, 5), (5, 0.5, 0.15, 20)],
)
def test_grids_cover_and_are_reported_as_they_shrink(objectives, epsilon, delta, enough):
    grid, sizes = search(objectives, epsilon=epsilon, delta=delta, enough=enough)
    assert len(grid) <= enough
    assert check_coverage(grid, epsilon=epsilon, delta=delta).covered
    assert sizes == sorted(sizes, reverse=True)
    assert len(grid) == sizes[-1] == len(np.unique(grid, axis=0))
    np.testing.assert_allclose(grid.sum(axis=1), 1, atol=1e-12)
    again, _ = search(objectives, epsilon=epsilon, delta=delta, enough=enough)
    np.testing.assert_array_equal(grid, again)


def test_start_is_kept_when_time_is_over_or_it_is_enough():
    start = palm_grid(3, epsilon=0.4, delta=0.0125)
    for limits in ({"seconds": 0}, {"enough": 48}):
        grid, sizes = search(3, epsilon=0.4, delta=0.0125, start=start, **limits)
        assert grid is start
        assert sizes == []


def test_no_time_and_no_start():
    with pytest.raises(WeightsError, match="no cover of at most 10000 vectors was found; raise the time limit"):
        search(3, epsilon=0.4, delta=0.0125, seconds=0)
