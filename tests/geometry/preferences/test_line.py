"""Two objectives: the fewest vectors."""

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from palm.errors import WeightsError
from palm.geometry.preferences.cells import in_cell
from palm.geometry.preferences.coverage import check_coverage
from palm.geometry.preferences.line import line_cover, line_packing
from palm.verification.packing import check_packing

RNG = np.random.default_rng(3)
RANDOM = [(RNG.uniform(0, 0.7), RNG.uniform(0.002, 0.3)) for _ in range(50)]


@pytest.mark.parametrize(("epsilon", "delta"), [*RANDOM, (0, 0.25), (0, 0.5), (0, 1), (0.4, 0.0125), (0.5, 0.3)])
def test_cover_is_proven_to_be_the_smallest(epsilon, delta):
    """It covers, and as many preferences are such that no vector (of a fine line) serves two."""
    weights = line_cover(epsilon=epsilon, delta=delta)
    assert check_coverage(weights, epsilon=epsilon, delta=delta).covered
    packing = line_packing(epsilon=epsilon, delta=delta)
    assert packing.bound == len(packing.points) == len(weights)
    line = np.linspace(0, 1, 20_001)
    vectors = np.column_stack([line, 1 - line])[:, None]
    assert in_cell(packing.points[None], vectors, epsilon=epsilon, delta=delta).sum(axis=1).max() == 1


@pytest.mark.parametrize(("epsilon", "delta"), [(0.4, 0.0125), (0.0, 0.07), (0.6, 0.05), (0.1, 0.03)])
def test_cover_is_as_small_as_a_set_cover_of_a_fine_line(epsilon, delta):
    """An integer program that knows nothing of chains serves a subset of all preferences from a fine line."""
    line = np.linspace(0, 1, 1001)
    vectors = np.column_stack([line, 1 - line])
    serves = in_cell(vectors[::4, None], vectors[None], epsilon=epsilon, delta=delta)
    answer = milp(
        np.ones(1001),
        integrality=np.ones(1001),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(serves.astype(float), lb=1),
    )
    assert len(line_cover(epsilon=epsilon, delta=delta)) == round(answer.fun)


@pytest.mark.parametrize(
    ("epsilon", "delta"), [(0, 0.249999999999), (1 - 1e-13, 0.1), (1 - 1e-13, 1e-5), (0, 0.25 - 1e-9), (0, 1e-5)]
)
def test_packing_is_proven_however_little_room_there_is(epsilon, delta):
    """By an independent check, in exact rational arithmetic where there are few."""
    packing = line_packing(epsilon=epsilon, delta=delta)
    assert 1 <= packing.bound <= 10_000
    some = packing.points[:60]
    check_packing(some.tolist(), epsilon=epsilon, delta=delta)


def test_too_many_vectors():
    with pytest.raises(WeightsError, match="more than 10000 vectors are needed; raise epsilon or delta"):
        line_cover(epsilon=0, delta=1e-5)
