"""Predictions from rollouts of the reference, against closed forms."""

import numpy as np
import pytest

from palm.errors import DataError, SelectionError, WeightsError
from palm.geometry.adaptive.predicted import predict, predicted_design
from palm.geometry.portfolio.selection import select
from palm.geometry.preferences.simplex import finest_lattice, lattice


def exact_rollouts(problem, copies=40):
    """Rollouts of a problem with a uniform reference in which every response comes equally often: no error."""
    return np.repeat(problem.rewards, copies, axis=1)


@pytest.fixture
def uniform(tabular):
    problem = tabular(0, 3)
    return type(problem)(problem.rewards, np.full(problem.reference.shape, 1 / 12), problem.beta)


def test_without_sampling_error_the_prediction_is_the_closed_form(uniform):
    weights = np.random.default_rng(0).dirichlet(np.ones(3), 20)
    found = predict(exact_rollouts(uniform), weights, beta=uniform.beta)
    np.testing.assert_allclose(found.rewards, uniform.expected_rewards(weights), atol=1e-12)
    np.testing.assert_allclose(found.regulariser, uniform.regulariser(weights), atol=1e-12)
    np.testing.assert_allclose(found.optimum, uniform.optimum(weights), atol=1e-12)
    np.testing.assert_allclose(found.value_vectors, uniform.value_vectors(weights), atol=1e-12)


def test_prediction_approaches_the_closed_form(tabular):
    """More samples, less error; the bias of J* is as estimated."""
    problem = tabular(1, 3, prompts=60, responses=60)
    weights = np.random.default_rng(1).dirichlet(np.ones(3), 30)
    truth, errors = problem.optimum(weights), []
    for samples in (16, 256):
        found = predict(problem.sample(samples, seed=0), weights, beta=problem.beta)
        errors.append(np.abs(found.value_vectors - problem.value_vectors(weights)).mean())
        assert (found.smallest_effective_sample_size <= found.effective_sample_size).all()
        assert (found.effective_sample_size <= samples).all()
    assert errors[1] < 0.4 * errors[0]
    few = [predict(problem.sample(16, seed=seed), weights, beta=problem.beta) for seed in range(20)]
    bias = np.mean([truth - found.optimum for found in few])
    assert bias == pytest.approx(np.mean([found.optimum_bias for found in few]), rel=0.4)


def test_effective_samples_by_hand():
    """Equal rewards use every sample; one far better sample counts as one. A prompt of each: mean and smallest."""
    rewards = np.zeros((2, 8, 2))
    rewards[0], rewards[1, 3] = 0.25, 1
    found = predict(rewards, [[0.5, 0.5]], beta=0.01)
    assert found.effective_sample_size == pytest.approx([4.5])
    assert found.smallest_effective_sample_size == pytest.approx([1])
    assert found.optimum == pytest.approx([(0.25 + 1 - 0.01 * np.log(8)) / 2])
    assert found.regulariser == pytest.approx([0.01 * np.log(8) / 2])
    assert not found.trusted
    assert predict(rewards[:1], [[0.5, 0.5]], beta=0.01).trusted


def test_blocks_change_nothing(tabular, monkeypatch):
    rewards, weights = tabular(2, 3).sample(8, seed=0), lattice(3, 4)
    whole = predict(rewards, weights, beta=0.1)
    monkeypatch.setattr("palm.geometry.adaptive.predicted.BLOCK_NUMBERS", 100)
    # The order of a sum in numpy depends on the shape of the arrays.
    blocked = predict(rewards, weights, beta=0.1)
    np.testing.assert_allclose(blocked.value_vectors, whole.value_vectors, rtol=0, atol=1e-12)


def test_predicted_gap_is_the_true_one_without_sampling_error(uniform):
    """Against the true optimum at dense preferences; picks before refinement are the best of all candidates."""
    design = predicted_design(exact_rollouts(uniform), 3, beta=uniform.beta)
    assert design.weights.shape == (3, 3)
    np.testing.assert_allclose(design.weights.sum(axis=1), 1, atol=1e-12)
    v = finest_lattice(3, 2000)
    served, optimum = (v @ uniform.value_vectors(design.weights).T).max(axis=1), uniform.optimum(v)
    assert ((optimum - served) / optimum).max() == pytest.approx(design.epsilon, abs=1e-9)
    assert design.candidates_epsilon - design.candidates_bound <= 1e-6
    assert design.epsilon < design.candidates_epsilon
    rng = np.random.default_rng(0)
    for _ in range(50):
        some = uniform.value_vectors(rng.permutation(finest_lattice(3, 30))[:3])
        assert ((optimum - (v @ some.T).max(axis=1)) / optimum).max() >= design.candidates_bound - 1e-9


def test_few_predicted_policies_beat_many_trained_and_pruned_ones(tabular):
    """From 32 rollouts a prompt: the true gap of 5 predicted vectors against 5 greedily chosen of 30 trained ones."""
    ratios = []
    for seed in range(4):
        problem = tabular(seed, 3, prompts=40, responses=60)
        v = finest_lattice(3, 1500)
        trained = problem.value_vectors(np.random.default_rng(seed).dirichlet(np.ones(3), 30))
        optimum = problem.optimum(v)

        def gap(values, v=v, optimum=optimum):
            return ((optimum - (v @ values.T).max(axis=1)) / optimum).max()

        greedy = trained[list(select(trained, 5, method="greedy").indices)]
        design = predicted_design(problem.sample(32, seed=seed), 5, beta=problem.beta)
        assert design.trusted
        ratios.append(gap(problem.value_vectors(design.weights)) / gap(greedy))
    assert np.median(ratios) < 0.75


def test_given_candidates_are_the_start(tabular):
    rewards = tabular(3, 2).sample(16, seed=0)
    corners = predicted_design(rewards, 2, beta=0.1, candidates=np.eye(2))
    assert corners.epsilon < corners.candidates_epsilon
    again = predicted_design(rewards, 2, beta=0.1, candidates=np.eye(2))
    np.testing.assert_array_equal(again.weights, corners.weights)
    assert predicted_design(rewards, 1, beta=0.1, candidates=np.eye(2)).weights.shape == (1, 2)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"rewards": np.zeros((3, 4))}, DataError, r"rewards of shape \(3, 4\)"),
        ({"rewards": np.full((2, 3, 3), 1.2)}, DataError, "rewards of prompt 0: must be in"),
        ({"rewards": np.zeros((2, 3, 3))}, DataError, "reward 0: is 0 for every response"),
        ({"beta": 0}, DataError, "beta=0: must be above 0"),
        ({"size": 0}, WeightsError, "size=0"),
        ({"candidates": [[0.5, 0.6, 0.1]]}, WeightsError, "must sum to 1"),
        ({"candidates": np.eye(3), "size": 4}, SelectionError, "size=4: is more than the 3 candidates"),
    ],
)
def test_bad_arguments(changes, error, message):
    arguments = {"rewards": np.full((2, 3, 3), 0.5), "size": 2, "beta": 0.1} | changes
    with pytest.raises(error, match=message):
        predicted_design(arguments.pop("rewards"), arguments.pop("size"), **arguments)
