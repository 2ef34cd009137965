"""Exact coverage against closed forms, sampling and the paper's Figure 1."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull, HalfspaceIntersection

from palm.errors import WeightsError
from palm.geometry.preferences.cells import Boxes, cell_boxes, cell_excess, in_cell
from palm.geometry.preferences.coverage import box_centres, box_shares, check_coverage, uncovered_boxes
from palm.geometry.preferences.grids import random_grid
from palm.geometry.preferences.levels import pivot_grid
from palm.geometry.preferences.simplex import lattice

FIGURE_1 = {"epsilon": 0.4, "delta": 0.0125}
PUBLISHED_LEVELS = (0.01214, 0.06102, 0.18886, 0.57117)


def nearest_excess(points, weights, *, epsilon, delta):
    """How far each point is outside the nearest cell, by the definition."""
    return [cell_excess(point, weights, epsilon=epsilon, delta=delta).min() for point in np.atleast_2d(points)]


def outside_every_cell(points, weights, *, epsilon, delta):
    for vector in weights:
        points = points[~in_cell(points, vector, epsilon=epsilon, delta=delta)]
    return points


def check_against_points(coverage, points, weights, *, epsilon, delta):
    """Sampling and exact decision must not contradict each other, in either direction."""
    outside = outside_every_cell(points, weights, epsilon=epsilon, delta=delta)
    error = 5 * np.sqrt(max(coverage.uncovered_fraction, 1 / len(points)) / len(points))
    assert abs(len(outside) / len(points) - coverage.uncovered_fraction) <= error
    if coverage.covered:
        assert max(nearest_excess(outside, weights, epsilon=epsilon, delta=delta), default=0) <= 1e-11
        assert coverage.uncovered_fraction == 0
        assert coverage.counterexample is None
    else:
        counterexample = np.array([coverage.counterexample])
        assert coverage.uncovered_fraction > 0
        assert abs(counterexample.sum() - 1) < 1e-12
        assert (counterexample >= 0).all()
        assert len(outside_every_cell(counterexample, weights, epsilon=epsilon, delta=delta)) == 1
        some = points[:2000, None]
        pieces = next(uncovered_boxes(cell_boxes(np.unique(weights, axis=0), epsilon=epsilon, delta=delta)))
        inside = points[:2000][((pieces.lows < some) & (some < pieces.highs)).all(axis=2).any(axis=1)]
        assert len(outside_every_cell(inside, weights, epsilon=epsilon, delta=delta)) == len(inside)


@pytest.mark.parametrize("objectives", [2, 3, 4, 5])
def test_random_instances_agree_with_sampling(objectives):
    rng = np.random.default_rng(objectives)
    covered = 0
    for _ in range(75):
        weights = rng.dirichlet(np.full(objectives, rng.uniform(0.2, 1)), rng.integers(1, 60))
        if rng.random() < 0.5:
            weights = np.vstack([weights, np.eye(objectives)])
        accuracy = {"epsilon": rng.uniform(0, 0.8), "delta": rng.uniform(0, 0.1 * objectives)}
        coverage = check_coverage(weights, **accuracy)
        check_against_points(coverage, rng.dirichlet(np.ones(objectives), 100_000), weights, **accuracy)
        if coverage.covered:
            assert max(nearest_excess(lattice(objectives, 4), weights, **accuracy)) <= 1e-11
        covered += coverage.covered
    assert 10 <= covered <= 65, "both answers must be tried"


def test_the_published_vectors_cover_and_any_one_of_them_missing_leaves_a_hole():
    weights = pivot_grid(3, PUBLISHED_LEVELS)
    assert len(weights) == 48 and check_coverage(weights, **FIGURE_1).covered
    points = np.random.default_rng(0).dirichlet(np.full(3, 0.5), 3000)
    inside = in_cell(points[:, None], weights[None], **FIGURE_1)
    holes = 0
    for left_out in range(48):
        rest = np.delete(np.arange(48), left_out)
        coverage = check_coverage(weights[rest], **FIGURE_1)
        missed = ~inside[:, rest].any(axis=1)
        assert not (coverage.covered and missed.any())
        if not coverage.covered:
            holes += 1
            assert in_cell(coverage.counterexample, weights[left_out], **FIGURE_1)
            assert nearest_excess(coverage.counterexample, weights[rest], **FIGURE_1)[0] > 0
    assert holes >= 40


def test_closed_cells_that_share_a_boundary_cover_it():
    assert check_coverage([[0.25, 0.75], [0.75, 0.25]], epsilon=0, delta=0.25).covered
    assert check_coverage([[0.1, 0.9], [0.3, 0.7], [0.5, 0.5], [0.7, 0.3], [0.9, 0.1]], epsilon=0, delta=0.1).covered


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9, 1e-11])
def test_a_gap_is_found_down_to_the_tolerance(gap):
    weights = [[0.25 - gap / 2, 0.75 + gap / 2], [0.75 + gap / 2, 0.25 - gap / 2]]
    coverage = check_coverage(weights, epsilon=0, delta=0.25)
    assert not coverage.covered
    assert coverage.uncovered_fraction == pytest.approx(gap, rel=1e-3, abs=1e-15)
    assert abs(coverage.counterexample[0] - 0.5) < gap


@pytest.mark.parametrize("hole", [1e-2, 1e-4, 1e-6])
def test_a_tiny_hole_is_found_and_measured(hole):
    """Four boxes around the centroid leave only a parallelogram of side 2 · hole there."""
    centre = np.full(3, 1 / 3)
    lows, highs = centre - hole, centre + hole
    walls = [
        ([0, 0, 0], [lows[0], 1, 1]), ([highs[0], 0, 0], [1, 1, 1]),
        ([0, 0, 0], [1, lows[1], 1]), ([0, highs[1], 0], [1, 1, 1]),
    ]  # fmt: skip
    boxes = Boxes(np.array([low for low, _ in walls], float), np.array([high for _, high in walls], float))
    left = list(uncovered_boxes(boxes))
    total = sum(box_shares(part).sum() for part in left)
    assert total == pytest.approx(2 * (2 * hole) ** 2, rel=1e-3)


@pytest.mark.parametrize("objectives", range(2, 9))
def test_one_cell_s_share_has_a_closed_form(objectives):
    """The cell of a vertex with ε' = 0 is the corner v_1 ≥ 1 - δ', of volume δ'^(d-1)."""
    delta = 0.3
    coverage = check_coverage(np.eye(objectives)[:1], epsilon=0, delta=delta)
    assert coverage.uncovered_fraction == pytest.approx(1 - delta ** (objectives - 1), rel=1e-12)


def test_everything_is_covered_by_one_wide_cell():
    assert check_coverage([[0.25] * 4], epsilon=0, delta=0.75).covered
    assert not check_coverage([[0.25] * 4], epsilon=0, delta=0.7499).covered


def test_cells_without_volume_cover_nothing():
    coverage = check_coverage(lattice(3, 5), epsilon=0, delta=0)
    assert coverage.uncovered_fraction == pytest.approx(1)


@pytest.mark.parametrize("objectives", [2, 3, 5])
@pytest.mark.parametrize("delta", [0.0, 1e-13])
def test_a_hole_has_a_counterexample_even_where_its_centre_is_held(objectives, delta):
    """A cell that is too thin to be subtracted holds the centre of the only piece."""
    weights = np.vstack([np.full((1, objectives), 1 / objectives), lattice(objectives, 4)])
    coverage = check_coverage(weights, epsilon=0.0, delta=delta)
    assert coverage.uncovered_fraction == pytest.approx(1)
    assert not in_cell(np.array(coverage.counterexample), weights, epsilon=0.0, delta=delta).any()


def test_repeated_vectors_change_nothing():
    weights = random_grid(4, 5, seed=3)
    once = check_coverage(weights, epsilon=0.3, delta=0.05)
    often = check_coverage(np.repeat(weights, 60, axis=0), epsilon=0.3, delta=0.05)
    assert often.uncovered_fraction == pytest.approx(once.uncovered_fraction, rel=1e-12)


def test_many_cells_agree_with_few_at_a_time():
    """Halving blocks (many cells) and plain subtraction (few cells) give the same share."""
    weights = random_grid(3, 400, seed=5)
    cells = cell_boxes(weights, epsilon=0.2, delta=0.005)
    coverage = check_coverage(weights, epsilon=0.2, delta=0.005)
    points = np.random.default_rng(2).dirichlet(np.ones(3), 20000)
    inside = np.zeros(len(points), dtype=bool)
    for low, high in zip(cells.lows, cells.highs, strict=True):
        inside |= ((points >= low) & (points <= high)).all(axis=1)
    assert abs((~inside).mean() - coverage.uncovered_fraction) < 0.015


@settings(max_examples=60)
@given(st.integers(3, 5), st.integers(0, 10**6))
def test_share_of_a_box_is_its_polytope_s_volume(objectives, seed):
    """Inclusion-exclusion against the convex hull of the same polytope."""
    rng = np.random.default_rng(seed)
    centre = rng.dirichlet(np.ones(objectives))
    width = rng.uniform(0.05, 0.4, objectives)
    left = Boxes(np.maximum(centre - width, 0)[None], np.minimum(centre + width, 1)[None])
    slack, excess = 1 - left.lows.sum(), left.highs.sum() - 1
    box = Boxes(np.maximum(left.lows, left.highs - excess), np.minimum(left.highs, left.lows + slack))
    middle = box_centres(box)[0]
    assert (middle > box.lows[0]).all()
    assert (middle < box.highs[0]).all()
    d = objectives - 1
    faces = [
        np.append(sign * row, -sign * bound)
        for row, low, high in zip(np.eye(d), box.lows[0], box.highs[0], strict=False)
        for sign, bound in ((1, high), (-1, low))
    ]
    faces += [np.append(np.ones(d), -(1 - box.lows[0, d])), np.append(-np.ones(d), 1 - box.highs[0, d])]
    volume = ConvexHull(HalfspaceIntersection(np.array(faces), middle[:d]).intersections).volume
    assert box_shares(box)[0] == pytest.approx(volume * np.prod(np.arange(1, objectives)), rel=1e-6)


@pytest.mark.parametrize(
    ("weights", "accuracy", "message"),
    [
        ([[0.5, 0.6]], FIGURE_1, "must sum to 1"),
        (np.full((1, 9), 1 / 9), FIGURE_1, "objectives=9"),
        ([[0.5, 0.5]], {"epsilon": 1.2, "delta": 0.1}, "epsilon=1.2"),
        ([[0.5, 0.5]], {"epsilon": 0.2, "delta": 2}, "delta=2"),
        ([], FIGURE_1, "must hold at least one"),
    ],
)
def test_bad_arguments(weights, accuracy, message):
    with pytest.raises(WeightsError, match=message):
        check_coverage(weights, **accuracy)
