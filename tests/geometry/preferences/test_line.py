"""Two objectives: the fewest vectors."""

import numpy as np
import pytest

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
