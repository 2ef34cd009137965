"""Grids in one dimension and by strategy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.errors import WeightsError
from palm.geometry.preferences.coverage import check_coverage
from palm.geometry.preferences.grids import (
    additive_grid,
    combined_grid,
    multiplicative_grid,
    palm_grid,
    random_grid,
    uniform_grid,
)
from palm.geometry.preferences.simplex import lattice


def covers_line(centres, epsilon, delta, start):
    """Whether the cells of the centres reach from start to 1 without a gap."""
    lows, highs = (centres - delta) / (1 + epsilon), (centres + delta) / (1 - epsilon)
    return lows[0] <= start + 1e-12 and (lows[1:] <= highs[:-1] + 1e-12).all() and highs[-1] >= 1 - 1e-12


def test_additive_grid_has_equal_steps():
    np.testing.assert_allclose(additive_grid(delta=0.1), [0.1, 0.3, 0.5, 0.7, 0.9])


def test_multiplicative_grid_has_equal_ratios():
    centres = multiplicative_grid(epsilon=0.4, smallest=0.01)
    np.testing.assert_allclose(centres[1:-1] / centres[:-2], 1.4 / 0.6)
    assert covers_line(centres, 0.4, 0, 0.01)


@given(st.floats(0, 0.9), st.floats(0.001, 1))
def test_combined_grid_covers_and_no_shorter_one_does(epsilon, delta):
    centres = combined_grid(epsilon=epsilon, delta=delta)
    assert covers_line(centres, epsilon, delta, 0)
    assert (centres <= 1).all()
    end = 0.0
    for _ in centres[:-1]:
        end = (end * (1 + epsilon) + 2 * delta) / (1 - epsilon)
    assert end < 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: combined_grid(epsilon=0.1, delta=0), "delta=0: must be above 0"),
        (lambda: additive_grid(delta=1e-9), "more than 1000000 points"),
        (lambda: multiplicative_grid(epsilon=0, smallest=0.1), "epsilon=0"),
        (lambda: multiplicative_grid(epsilon=0.1, smallest=0), "smallest=0"),
        (lambda: combined_grid(epsilon=1, delta=0.1), "epsilon=1"),
        (lambda: random_grid(3, 0, seed=0), "size=0"),
        (lambda: uniform_grid(1, 5), "objectives=1"),
        (lambda: palm_grid(3, epsilon=0.4, delta=0), "needs a delta above 0"),
        (lambda: palm_grid(8, epsilon=0.1, delta=0.01), "no cover of at most 10000 vectors; raise epsilon"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(WeightsError, match=message):
        call()


def test_random_grid_depends_on_the_seed_only():
    np.testing.assert_array_equal(random_grid(3, 5, seed=1), random_grid(3, 5, seed=1))
    assert (random_grid(3, 5, seed=1) != random_grid(3, 5, seed=2)).all()
    np.testing.assert_array_equal(random_grid(3, 5, seed=np.random.default_rng(1)), random_grid(3, 5, seed=1))


@pytest.mark.parametrize("size", [1, 2, 3, 6, 10, 15, 44, 45, 46, 48])
def test_uniform_grid_has_exactly_the_size(size):
    points = uniform_grid(3, size)
    assert len(np.unique(points, axis=0)) == len(points) == size
    np.testing.assert_allclose(points.sum(axis=1), 1, atol=1e-12)
    if size == 45:
        np.testing.assert_array_equal(points, lattice(3, 8))


@pytest.mark.parametrize(
    ("objectives", "epsilon", "delta", "size"),
    [
        (2, 0.4, 0.0125, 8),
        (3, 0.4, 0.0125, 48),
        (4, 0.4, 0.0125, 256),
        (3, 0.2, 0.02, 75),
        (2, 0.05, 0.005, 36),
        (8, 0.6, 0.2, 8),
    ],
)
def test_palm_grid_covers_with_few_vectors(objectives, epsilon, delta, size):
    grid = palm_grid(objectives, epsilon=epsilon, delta=delta)
    assert len(grid) <= size
    assert size != 48 or len(grid) == size, "as many as published"
    assert len(np.unique(grid, axis=0)) == len(grid)
    np.testing.assert_allclose(grid.sum(axis=1), 1, atol=1e-12)
    assert check_coverage(grid, epsilon=epsilon, delta=delta).covered


@pytest.mark.parametrize(("epsilon", "delta"), [(0.4, 0.0125), (0.2, 0.02), (0.0, 0.05), (0.1, 0.2)])
def test_two_objectives_get_the_shortest_chain(epsilon, delta):
    """Half the grid is the combined grid on [0, 1/2], whose length has a closed recursion."""
    end, count = 0.0, 0
    while end < 0.5:
        end, count = (end * (1 + epsilon) + 2 * delta) / (1 - epsilon), count + 1
    assert len(palm_grid(2, epsilon=epsilon, delta=delta)) <= 2 * count
