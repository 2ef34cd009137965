"""Packings and weighted packings against brute force over subsets of boxes."""

from itertools import combinations, permutations

import numpy as np
import pytest

from palm.verification.fault import Fault
from palm.verification.packing import check_loads, check_packing


def serves(vector, point, accuracy, slack=1e-9):
    return (np.abs(vector - point) <= accuracy["epsilon"] * point + accuracy["delta"] + slack).all()


def common(points, accuracy):
    """Whether one vector on the simplex serves all of the points: their boxes' intersection is a box."""
    lows = np.maximum((points * (1 - accuracy["epsilon"]) - accuracy["delta"]).max(axis=0), 0)
    highs = (points * (1 + accuracy["epsilon"]) + accuracy["delta"]).min(axis=0)
    return (lows <= highs).all() and lows.sum() <= 1 <= highs.sum()


def named_vector(fault):
    return np.array([float(number) for number in fault.rule.split("w=[")[1].split("]")[0].split(",")])


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_pairs_agree_with_brute_force(objectives):
    rng = np.random.default_rng(objectives)
    packed = 0
    for _ in range(300):
        points = rng.dirichlet(np.full(objectives, 0.5), int(rng.integers(2, 5)))
        accuracy = {"epsilon": rng.uniform(0, 0.5), "delta": rng.uniform(0, 0.15)}
        clash = [pair for pair in combinations(range(len(points)), 2) if common(points[list(pair)], accuracy)]
        if not clash:
            check_packing(points.tolist(), **accuracy)
            packed += 1
            continue
        with pytest.raises(Fault, match="must not be served by a vector that serves another") as caught:
            check_packing(points.tolist(), **accuracy)
        fault = caught.value
        first, second = fault.others[0][1], fault.place[1]
        assert (first, second) in clash and fault.place[0] == fault.others[0][0] == "packing"
        vector = named_vector(fault)
        assert vector.sum() == pytest.approx(1, abs=1e-9) and (vector >= 0).all()
        assert serves(vector, points[first], accuracy) and serves(vector, points[second], accuracy)
    assert 50 <= packed <= 250, "both answers must be tried"


def test_the_margin_is_on_the_safe_side():
    """Two preferences 0.4 apart: a vector serves both from delta = 0.2 on; just below that is not accepted either."""
    points = [[0.3, 0.7], [0.7, 0.3]]
    check_packing(points, epsilon=0.0, delta=0.2 - 1e-8)
    for delta in (0.2, 0.2 - 1e-12):
        with pytest.raises(Fault):
            check_packing(points, epsilon=0.0, delta=delta)


def test_equal_preferences_are_no_packing():
    with pytest.raises(Fault) as caught:
        check_packing([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], epsilon=0.0, delta=0.0)
    assert (caught.value.place, caught.value.others) == (("packing", 2), (("packing", 1),))


TRIANGLE = np.full((3, 3), 0.3) + 0.1 * np.eye(3)
"""Any two of these three are served by one vector when delta is a little above 0.05, all three by none."""


def test_halves_of_a_triangle_are_a_weighted_packing():
    accuracy = {"epsilon": 0.0, "delta": 0.051}
    check_loads(TRIANGLE, np.full(3, 0.5), **accuracy)
    with pytest.raises(Fault, match=r"packing_weights: must total at most 1.*serves 1\.2") as caught:
        check_loads(TRIANGLE, np.full(3, 0.6), **accuracy)
    served = sum(serves(named_vector(caught.value), point, accuracy) for point in TRIANGLE)
    assert served == 2
    with pytest.raises(Fault, match=r"serves 1\.5"):
        check_loads(TRIANGLE, np.full(3, 0.5), epsilon=0.0, delta=0.068)


def largest_load(points, shares, accuracy):
    return max(
        shares[list(chosen)].sum()
        for count in range(1, len(points) + 1)
        for chosen in combinations(range(len(points)), count)
        if common(points[list(chosen)], accuracy)
    )


@pytest.mark.parametrize("objectives", [2, 3, 4])
@pytest.mark.parametrize("symmetric", [False, True])
def test_loads_agree_with_brute_force(objectives, symmetric):
    rng = np.random.default_rng(10 * objectives + symmetric)
    for _ in range(6 if symmetric and objectives == 4 else 25):
        points = rng.dirichlet(np.ones(objectives), 8)
        shares = rng.uniform(0.2, 1, len(points))
        if symmetric:
            # The orbit of one preference that has only two different entries, and the centre.
            odd = rng.uniform(0, 1)
            one = np.append(odd, np.full(objectives - 1, (1 - odd) / (objectives - 1)))
            orbit = sorted(set(permutations(one.tolist())))
            points = np.array([*orbit, np.full(objectives, 1 / objectives)])
            shares = np.append(np.full(len(orbit), rng.uniform(0.2, 1)), rng.uniform(0.2, 1))
        accuracy = {"epsilon": rng.uniform(0, 0.5), "delta": rng.uniform(0.01, 0.2)}
        shares = shares / largest_load(points, shares, accuracy)
        check_loads(points, 0.999 * shares, **accuracy)
        with pytest.raises(Fault) as caught:
            check_loads(points, 1.001 * shares, **accuracy)
        vector = named_vector(caught.value)
        load = sum(share for point, share in zip(points, shares, strict=True) if serves(vector, point, accuracy))
        assert 1.001 * load > 1
