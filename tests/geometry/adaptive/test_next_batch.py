"""Training in rounds, on problems whose optima are known in closed form."""

import numpy as np
import pytest
from support.optimum_cases import policies_of
from testbed import draw_problem

from palm.errors import SelectionError, WeightsError
from palm.geometry.adaptive import next_batch as adaptive
from palm.geometry.adaptive.face_plan import Face, _slopes, corner_gaps, corner_weights, plan_face, with_points
from palm.geometry.adaptive.interpolation import Interpolation, value_vector
from palm.geometry.adaptive.next_batch import adaptive_design, next_batch
from palm.geometry.adaptive.optimum_bounds import bound_optimum


def trainer(problem, *, factor=1.0):
    """A training run: exact, or with another β and then short of the optimum by a known amount."""
    return lambda weights: (policies_of(problem, weights, factor=factor), problem.optimum(weights))


@pytest.mark.parametrize(("objectives", "batch", "most"), [(2, 1, 5), (2, 4, 6), (3, 1, 17), (3, 4, 17)])
def test_a_design_meets_its_target_with_few_policies(objectives, batch, most):
    problem = draw_problem(3, objectives)
    design = adaptive_design(trainer(problem), objectives, target=0.05, batch=batch)
    assert design.gap.epsilon <= 0.05
    assert len(design.weights) <= most
    v = np.random.default_rng(0).dirichlet(np.full(objectives, 0.7), 2000)
    best, optimum = (v @ design.value_vectors.T).max(axis=1), problem.optimum(v)
    assert (best >= (1 - design.gap.epsilon) * optimum).all()
    assert (optimum - best).max() <= design.gap.additive_gap
    assert design.rounds >= len(design.weights) / batch


@pytest.mark.parametrize(
    ("objectives", "factor", "beta"), [(2, 0.8, 0.1), (3, 1.3, 0.1), (3, 1.0, 0.03), (4, 0.9, 0.2)]
)
def test_rounds_end_within_the_target(objectives, factor, beta):
    """Policies short of the optimum, sharper and smoother optima: every batch is new and on the simplex."""
    problem = draw_problem(1, objectives, prompts=10, responses=12, beta=beta)
    train = trainer(problem, factor=factor)
    weights, values, upper = np.empty((0, objectives)), np.empty((0, objectives)), np.empty(0)
    gaps = []
    while True:
        chosen = next_batch(weights, values, upper, size=5, target=0.12)
        if not len(chosen.weights):
            break
        assert len(chosen.weights) <= 5
        assert (chosen.weights >= 0).all()
        np.testing.assert_allclose(chosen.weights.sum(axis=1), 1)
        more_values, more_upper = train(chosen.weights)
        weights, values = np.vstack([weights, chosen.weights]), np.vstack([values, more_values])
        upper = np.append(upper, more_upper)
        apart = np.abs(weights[:, None] - weights[None]).max(axis=2) + np.eye(len(weights))
        assert apart.min() > adaptive.SAME_PREFERENCE
        if chosen.gap is not None:
            gaps.append(chosen.gap.epsilon)
    assert chosen.gap.epsilon <= 0.12 < gaps[0]
    assert (np.diff(gaps) <= 1e-8).all()
    v = np.random.default_rng(0).dirichlet(np.ones(objectives), 500)
    assert ((v @ values.T).max(axis=1) >= (1 - chosen.gap.epsilon) * problem.optimum(v)).all()


def test_the_corners_come_first_and_the_same_input_gives_the_same_batch():
    nothing = (np.empty((0, 3)), np.empty((0, 3)), np.empty(0))
    first = next_batch(*nothing, size=2, target=0.05)
    np.testing.assert_array_equal(first.weights, np.eye(3)[:2])
    assert first.gap is None
    np.testing.assert_array_equal(next_batch(*nothing, size=8, target=0.05).weights, np.eye(3))
    problem = draw_problem(0, 3, prompts=6, responses=8)
    values, upper = trainer(problem)(first.weights)
    second = next_batch(first.weights, values, upper, size=2, target=0.05)
    np.testing.assert_array_equal(second.weights, np.eye(3)[2:])
    assert second.gap.epsilon > 0.05
    values, upper = trainer(problem)(np.eye(3))
    one, other = (next_batch(np.eye(3), values, upper, size=3, target=0.05) for _ in range(2))
    np.testing.assert_array_equal(one.weights, other.weights)


def test_a_met_target_asks_for_nothing():
    problem = draw_problem(0, 2)
    values, upper = trainer(problem)(np.eye(2))
    gap = bound_optimum(np.eye(2), values, upper).worst()
    assert not len(next_batch(np.eye(2), values, upper, size=4, target=gap.epsilon + 1e-6).weights)
    assert len(next_batch(np.eye(2), values, upper, size=4, target=gap.epsilon - 1e-3).weights)
    assert not len(next_batch(np.eye(2), values, upper, size=4, target=0.01, delta=gap.additive_gap).weights)


def test_the_limit_stops_the_training_and_the_gap_says_so():
    problem = draw_problem(0, 3, prompts=6, responses=8)
    design = adaptive_design(trainer(problem), 3, target=0.02, batch=4, limit=6)
    assert len(design.weights) == 6
    assert design.gap.epsilon > 0.02


def test_an_interrupted_policy_that_is_too_far_off_is_named():
    problem = draw_problem(0, 2)
    weights = np.array([[1, 0], [0, 1], [0.5, 0.5]])
    values, upper = trainer(problem)(weights)
    values[2] -= 0.2
    upper = problem.optimum(weights)
    with pytest.raises(SelectionError, match="policy 2 may be 18.3% below the optimum at its own preference weights"):
        next_batch(weights, values, upper, size=1, target=0.02)


@pytest.mark.parametrize(
    ("change", "rule"), [({"target": 0.0}, "target=0.0"), ({"target": 1.5}, "target=1.5"), ({"size": 0}, "size=0")]
)
def test_arguments_out_of_range_are_refused(change, rule):
    with pytest.raises(WeightsError, match=rule):
        next_batch(np.empty((0, 2)), np.empty((0, 2)), np.empty(0), **{"size": 1, "target": 0.05, **change})
    with pytest.raises(WeightsError, match=r"must be \(n, d\)"):
        next_batch([], [], [], size=1, target=0.05)


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_the_guess_passes_through_what_is_known(objectives):
    problem = draw_problem(0, objectives)
    rng = np.random.default_rng(0)
    weights = np.vstack([np.eye(objectives), rng.dirichlet(np.ones(objectives), 12)])
    values = problem.value_vectors(weights)
    guess = Interpolation(weights, values)
    np.testing.assert_allclose(value_vector(weights, *guess(weights)), values, atol=3e-3)
    v = rng.dirichlet(np.ones(objectives), 100)
    np.testing.assert_allclose(guess(v)[0], problem.optimum(v), atol=5e-3)
    gradients, curvature, step = guess(v)[1], guess.curvature(v), 1e-5
    np.testing.assert_allclose(gradients.sum(axis=1), 0, atol=1e-9)
    direction = np.eye(objectives)[0] - np.eye(objectives)[1]
    slope = (guess(v + step * direction)[0] - guess(v - step * direction)[0]) / (2 * step)
    np.testing.assert_allclose(slope, gradients @ direction, atol=1e-5)
    bend = (guess(v + step * direction)[1] - guess(v - step * direction)[1]) / (2 * step)
    np.testing.assert_allclose(bend, curvature @ direction, atol=1e-4)


def test_corner_weights_by_hand():
    """Members (1, 0) and (0, 1) change places at (1/2, 1/2); the corners are vertices too."""
    vertices, tight = corner_weights(np.eye(2))
    order = np.argsort(vertices[:, 0])
    np.testing.assert_allclose(vertices[order], [[0, 1], [0.5, 0.5], [1, 0]], atol=1e-12)
    assert [set(row) for row in tight[order].tolist()] == [{1, 2}, {0, 1}, {0, 3}]


def test_slopes_are_the_derivatives_of_the_gaps():
    problem = draw_problem(0, 3)
    rng = np.random.default_rng(1)
    weights = np.vstack([np.eye(3), [[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]]])
    values, upper = trainer(problem)(weights)
    guess, face = Interpolation(weights, values), Face((0, 1, 2), values, weights, upper)
    added = rng.dirichlet(np.full(3, 4.0), 3)
    found = corner_gaps(with_points(face, added, guess), delta=0.01)
    for vertex in np.argsort(-found.gaps)[:4]:

        def gap_near(points, place=found.weights[vertex]):
            after = corner_gaps(with_points(face, points, guess), delta=0.01)
            return after.gaps[np.abs(after.weights - place).sum(axis=1).argmin()]

        slopes = _slopes(face, added, found, np.eye(len(found.gaps))[vertex], guess)
        for number in range(3):
            for direction in np.eye(3) - 1 / 3:
                step = np.zeros((3, 3))
                step[number] = 1e-6 * direction
                measured = (gap_near(added + step) - gap_near(added - step)) / 2e-6
                assert slopes[number] @ direction == pytest.approx(measured, abs=1e-5)


def test_a_plan_reaches_its_target_by_the_guess_and_moving_saves_points(monkeypatch):
    problem = draw_problem(0, 2)
    values, upper = trainer(problem)(np.eye(2))
    guess, face = Interpolation(np.eye(2), values), Face((0, 1), values, np.eye(2), upper)
    planned = plan_face(face, guess, target=0.06, delta=0.0)
    assert corner_gaps(with_points(face, planned, guess), delta=0.0).gaps.max() <= 0.06
    assert ((planned > 0) & (planned < 1)).all()
    monkeypatch.setattr("palm.geometry.adaptive.face_plan.MOVE_FROM", 0.0)
    unmoved = plan_face(face, guess, target=0.06, delta=0.0)
    assert corner_gaps(with_points(face, unmoved, guess), delta=0.0).gaps.max() <= 0.06
    assert len(planned) < len(unmoved)
