"""The splitting check against the subtracting one, against sampling, and against covers that are broken."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palm.geometry.preferences.coverage import check_coverage
from palm.geometry.preferences.grids import palm_grid
from palm.verification.cover import check_counterexample, check_cover, distances, find_hole
from palm.verification.fault import Fault

FIGURE_1 = {"epsilon": 0.4, "delta": 0.0125}


def worst_distance(points, weights, accuracy):
    """How far the worst served of some preferences is outside its nearest cell, by the definition."""
    excess = np.abs(weights[None] - points[:, None]) - accuracy["epsilon"] * points[:, None] - accuracy["delta"]
    return excess.max(axis=2).min(axis=1).max()


def draw(rng, objectives):
    """Random vectors and an accuracy; half of them on a lattice, where faces of cells coincide."""
    count = int(rng.integers(1, 50))
    if rng.random() < 0.5:
        divisions = int(rng.integers(2, 6))
        weights = rng.multinomial(divisions, np.full(objectives, 1 / objectives), size=count) / divisions
    else:
        weights = rng.dirichlet(np.full(objectives, rng.uniform(0.2, 1)), count)
    if rng.random() < 0.7:
        weights = np.vstack([weights, np.eye(objectives)])
    epsilon = float(rng.choice([0.0, 0.1, 0.25, 0.5, rng.uniform(0, 0.8)]))
    delta = float(rng.choice([0.1, 0.125, 0.25, 1 / 3, rng.uniform(0, 0.1 * objectives)]))
    return weights, {"epsilon": epsilon, "delta": delta}


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_agrees_with_subtraction_and_with_sampling(objectives):
    rng = np.random.default_rng(objectives)
    covered = 0
    for _ in range(40):
        weights, accuracy = draw(rng, objectives)
        found = check_coverage(weights, **accuracy)
        hole = find_hole(weights, **accuracy)
        assert (hole is None) == found.covered
        if hole is None:
            assert worst_distance(rng.dirichlet(np.ones(objectives), 10_000), weights, accuracy) <= 1e-11
        else:
            assert worst_distance(hole[None], weights, accuracy) > 0
            assert (hole >= 0).all() and hole.sum() == pytest.approx(1, abs=1e-12)
            check_counterexample(np.array(found.counterexample), weights, **accuracy)
        covered += found.covered
    assert 8 <= covered <= 32, "both answers must be tried"


@settings(max_examples=300)
@given(st.integers(2, 4), st.integers(0, 10**9))
def test_agrees_with_subtraction(objectives, seed):
    weights, accuracy = draw(np.random.default_rng(seed), objectives)
    assert (find_hole(weights, **accuracy) is None) == check_coverage(weights, **accuracy).covered


COARSE = {"epsilon": 0.6, "delta": 0.05}


@pytest.mark.parametrize(("objectives", "accuracy"), [(2, FIGURE_1), (3, FIGURE_1), (4, FIGURE_1), (5, COARSE)])
def test_accepts_the_palm_grid_and_finds_a_missing_cell(objectives, accuracy):
    weights = palm_grid(objectives, **accuracy)
    check_cover(weights, **accuracy)
    needed = 0
    for number in np.random.default_rng(0).choice(len(weights), 5, replace=False):
        fewer = np.delete(weights, number, axis=0)
        hole = find_hole(fewer, **accuracy)
        assert (hole is None) == check_coverage(fewer, **accuracy).covered
        if hole is not None:
            needed += 1
            assert distances(hole, fewer, **accuracy).min() > 0
            # It was the missing cell's.
            assert distances(hole, weights, **accuracy)[number] <= 1e-11
    assert needed >= 1


def test_names_the_nearest_cell():
    """Cells of half width 0.2 around (0.2, 0.8) and (0.7, 0.3): the gap from 0.4 to 0.5 is nearer to the second."""
    weights = np.array([[0.2, 0.8], [0.7, 0.3], [0.9, 0.1]])
    hole = find_hole(weights, epsilon=0.0, delta=0.2)
    assert 0.4 < hole[0] < 0.5
    with pytest.raises(Fault) as caught:
        check_cover(weights, epsilon=0.0, delta=0.2)
    nearest = int(np.argmin(np.abs(weights[:, 0] - hole[0])))
    assert caught.value.others == (("weights", nearest),)


@pytest.mark.parametrize("gap", [0.0, 1e-15, 1e-10, 1e-6])
def test_touching_cells_cover_and_a_gap_is_found(gap):
    """Intervals of half width 1/8 side by side; below 1e-12 a gap is a shared boundary."""
    delta = 0.125 - gap / 2
    centres = np.array([0.125, 0.375, 0.625, 0.875])
    weights = np.column_stack([centres, 1 - centres])
    hole = find_hole(weights, epsilon=0.0, delta=delta)
    assert (hole is None) == (gap < 1e-12)
    if hole is not None:
        assert min(abs(hole[0] - place) for place in (0, 0.25, 0.5, 0.75, 1)) <= gap


def test_a_covered_counterexample_is_refused():
    weights = np.array([[1.0, 0.0], [0.0, 1.0]])
    check_counterexample(np.array([0.5, 0.5]), weights, epsilon=0.0, delta=0.4)
    with pytest.raises(Fault, match="in no cell, but is in one") as caught:
        check_counterexample(np.array([0.3, 0.7]), weights, epsilon=0.0, delta=0.4)
    assert caught.value.place == ("coverage", "counterexample") and caught.value.others == (("weights", 1),)
    # A cell is closed: its boundary is in it.
    with pytest.raises(Fault):
        check_counterexample(np.array([0.5, 0.5]), weights, epsilon=0.0, delta=0.5)
