"""Points of the simplex."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.errors import WeightsError
from palm.geometry.preferences.simplex import (
    check_objectives,
    check_preference_weights,
    check_size,
    check_weight_rows,
    finest_lattice,
    lattice,
    lattice_size,
    spread_points,
)


def test_weights_come_back_as_floats():
    array = check_preference_weights([1, 0, 0])
    assert array.dtype == np.float64
    assert array.tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("weights", "objectives", "message"),
    [
        ([0.6, 0.6], None, r"weights=\[0.6, 0.6\]: must sum to 1, sums to 1.2"),
        ([1.5, -0.5], None, r"weights=\[1.5, -0.5\]: must not be negative"),
        ([float("nan"), 1.0], None, r"weights=\[nan, 1.0\]: must be finite"),
        ([float("inf"), 0.0], None, "must be finite"),
        ([0.5, 0.5], 3, r"weights=\[0.5, 0.5\]: must have 3 numbers, has 2"),
        ([[0.5, 0.5]], None, "must be a flat list"),
        ([1.0], None, "at least 2 numbers"),
        (["a", "b"], None, "must be numbers"),
        (None, None, "flat list"),
    ],
)
def test_bad_weights_are_errors(weights, objectives, message):
    with pytest.raises(WeightsError, match=message):
        check_preference_weights(weights, objectives)


def test_sum_is_checked_to_a_millionth():
    check_preference_weights([0.5, 0.5 + 0.9e-6])
    with pytest.raises(WeightsError, match="must sum to 1"):
        check_preference_weights([0.5, 0.5 + 1.2e-6])


def test_rows_are_checked_each():
    assert check_weight_rows([[0.5, 0.5], [1, 0]]).shape == (2, 2)
    with pytest.raises(WeightsError, match="sums to 0.9"):
        check_weight_rows([[0.5, 0.5], [0.9, 0]])
    with pytest.raises(WeightsError, match="has 3"):
        check_weight_rows([[0.5, 0.5], [0.5, 0.25, 0.25]])
    with pytest.raises(WeightsError, match="at least one|hold at least one"):
        check_weight_rows([])


@pytest.mark.parametrize("objectives", [1, 9, 2.0, "3", True])
def test_objectives_out_of_range(objectives):
    with pytest.raises(WeightsError, match="objectives=.*from 2 to 8"):
        check_objectives(objectives)


def test_size_below_the_minimum():
    with pytest.raises(WeightsError, match="size=0: must be an integer from 1 to 10000"):
        check_size(0)


@given(st.integers(2, 6), st.integers(1, 7))
def test_lattice_has_every_composition_once(objectives, divisions):
    points = lattice(objectives, divisions)
    whole = np.rint(points * divisions).astype(int)
    assert len(points) == comb(divisions + objectives - 1, objectives - 1) == lattice_size(objectives, divisions)
    assert len(np.unique(whole, axis=0)) == len(points)
    assert (whole.sum(axis=1) == divisions).all()
    assert (whole >= 0).all()
    np.testing.assert_allclose(points, whole / divisions, atol=0)


def test_lattice_needs_divisions():
    with pytest.raises(WeightsError, match="divisions=0"):
        lattice(3, 0)


def test_finest_lattice_is_the_largest_within_the_limit():
    assert len(finest_lattice(3, 48)) == 45
    assert len(finest_lattice(3, 45)) == 45
    assert len(finest_lattice(3, 44)) == 36


@pytest.mark.parametrize(("objectives", "size"), [(2, 1), (2, 7), (3, 48), (4, 5), (8, 20)])
def test_spread_points_are_distinct_and_farther_apart_than_random_ones(objectives, size):
    points = spread_points(objectives, size)
    assert points.shape == (size, objectives)
    np.testing.assert_allclose(points.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_array_equal(points, spread_points(objectives, size))
    np.testing.assert_allclose(points[0], 1 / objectives)

    def nearest(rows):
        distance = np.linalg.norm(rows[:, None] - rows[None], axis=2)
        return distance[~np.eye(len(rows), dtype=bool)].min(initial=np.inf)

    if size > 2:
        draws = [np.random.default_rng(seed).dirichlet(np.ones(objectives), size) for seed in range(20)]
        assert nearest(points) > max(nearest(draw) for draw in draws)
