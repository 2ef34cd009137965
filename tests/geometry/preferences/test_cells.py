"""Cells of preference vectors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.errors import WeightsError
from palm.geometry.preferences.cells import cell_boxes, cell_excess, cell_polygon, check_accuracy, in_cell


def draws(objectives, count, seed):
    return np.random.default_rng(seed).dirichlet(np.full(objectives, 0.5), count)


@given(st.integers(2, 6), st.floats(0, 0.95), st.floats(0, 0.3), st.integers(0, 10**6))
def test_box_and_definition_agree(objectives, epsilon, delta, seed):
    v, w = draws(objectives, 60, seed), draws(objectives, 5, seed + 1)
    boxes = cell_boxes(w, epsilon=epsilon, delta=delta)
    excess = cell_excess(v[:, None], w[None], epsilon=epsilon, delta=delta)
    inside = ((v[:, None] >= boxes.lows) & (v[:, None] <= boxes.highs)).all(axis=2)
    clear = np.abs(excess) > 1e-9
    np.testing.assert_array_equal(inside[clear], excess[clear] <= 0)
    np.testing.assert_array_equal(in_cell(v[:, None], w[None], epsilon=epsilon, delta=delta), excess <= 0)


def test_a_vector_lies_in_its_own_cell_and_the_cell_is_closed():
    w = np.array([0.5, 0.25, 0.25])
    assert in_cell(w, w, epsilon=0, delta=0)
    assert in_cell([0.625, 0.125, 0.25], w, epsilon=0, delta=0.125)
    assert not in_cell([0.6251, 0.1249, 0.25], w, epsilon=0, delta=0.125)


def test_closed_form_of_the_box():
    boxes = cell_boxes([[0.2, 0.8]], epsilon=0.5, delta=0.1)
    np.testing.assert_allclose(boxes.lows, [[0.1 / 1.5, 0.7 / 1.5]])
    np.testing.assert_allclose(boxes.highs, [[0.6, 1.8]])


@pytest.mark.parametrize(
    ("epsilon", "delta", "message"),
    [
        (1.0, 0.1, r"epsilon=1.0: must be in \[0, 1\)"),
        (-0.1, 0.1, "epsilon=-0.1"),
        (float("nan"), 0.1, "epsilon=nan"),
        ("a", 0.1, "epsilon='a'"),
        (0.1, 1.1, r"delta=1.1: must be in \[0, 1\]"),
        (0.1, -1e-9, "delta=-1e-09"),
    ],
)
def test_accuracy_out_of_range(epsilon, delta, message):
    with pytest.raises(WeightsError, match=message):
        check_accuracy(epsilon, delta)


def area(corners):
    x, y = corners[:, 0], corners[:, 1]
    return abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


@given(st.integers(0, 10**6), st.floats(0, 0.9), st.floats(0.01, 0.3))
def test_polygon_has_the_cell_s_corners_and_area(seed, epsilon, delta):
    w = draws(3, 1, seed)[0]
    corners = cell_polygon(w, epsilon=epsilon, delta=delta)
    np.testing.assert_allclose(corners.sum(axis=1), 1, atol=1e-9)
    assert (cell_excess(corners, w, epsilon=epsilon, delta=delta) <= 1e-9).all()
    v = np.random.default_rng(seed).dirichlet(np.ones(3), 4000)
    share = in_cell(v, w, epsilon=epsilon, delta=delta).mean()
    assert abs(2 * area(corners) - share) < 0.05


def test_polygon_of_everything_is_the_triangle():
    np.testing.assert_allclose(sorted(cell_polygon([1 / 3] * 3, epsilon=0.5, delta=1).tolist()), np.eye(3)[::-1])


def test_polygon_is_only_for_three():
    with pytest.raises(WeightsError, match="must have 3 numbers"):
        cell_polygon([0.5, 0.5], epsilon=0.1, delta=0.1)
