"""The study's numbers on the exact testbed, where values, gains and gaps are known."""

from types import SimpleNamespace

import numpy as np
import pytest
from study_cases import Candidate, Measured, judge, pairs, pruned, versus
from study_plan import candidates, make_plan
from testbed import draw_problem

from palm.geometry.portfolio.certificate import certify
from palm.geometry.preferences.grids import palm_grid, random_grid, uniform_grid
from palm.geometry.preferences.simplex import finest_lattice

WEIGHTS = random_grid(3, 12, seed=1)


def measure(problem, weights) -> Measured:
    """The optimal policies of a tabular problem, prompt by prompt."""
    policies = problem.policies(weights)
    rewards = np.einsum("nxy,xyd->nxd", policies, problem.rewards)
    ratios = np.log(np.maximum(policies, 1e-300) / problem.reference)
    costs = np.maximum(problem.beta * (policies * ratios).sum(axis=2), 0)
    return Measured(rewards, costs, np.einsum("xy,xyd->xd", problem.reference, problem.rewards))


def settings(*, epsilon=0.4, delta=0.08, seed=0):
    """The part of a configuration that designs the study."""
    return SimpleNamespace(rewards=[None] * 3, design=SimpleNamespace(epsilon=epsilon, delta=delta, seed=seed))


@pytest.fixture(scope="module")
def problem():
    return draw_problem(0, 3, prompts=60)


@pytest.fixture(scope="module")
def measured(problem):
    return measure(problem, WEIGHTS)


def test_halves_share_no_prompt(measured):
    choosing, judging = measured.halves()
    together = np.concatenate([choosing.rewards, judging.rewards], axis=1)
    assert choosing.rewards.shape[1] == judging.rewards.shape[1] == 30
    assert np.array_equal(np.sort(together, axis=1), np.sort(measured.rewards, axis=1))
    means = choosing.value_vectors, judging.value_vectors
    assert np.mean(means, axis=0) == pytest.approx(measured.value_vectors)


def test_a_portfolio_is_chosen_from_its_design_alone(measured):
    design = (1, 3, 4, 7, 8, 11)
    own = measured.value_vectors[list(design)]
    gaps = {}
    for method in ("exact", "greedy"):
        candidate = pruned(measured, "some", design, size=2, method=method)
        (members,) = candidate.portfolios
        assert (len(members), candidate.trained, candidate.size) == (2, 6, 2)
        gaps[method] = certify(own, [design.index(member) for member in members]).epsilon
    pairs = [(one, other) for one in range(6) for other in range(one)]
    assert gaps["exact"] == pytest.approx(min(certify(own, pair).epsilon for pair in pairs), abs=1e-6)
    assert gaps["exact"] <= gaps["greedy"] + 1e-9


def test_gaps_are_to_the_best_of_all_policies_and_the_reference(measured):
    members = (0, 5)
    judged = judge(measured, Candidate("some", 2, "whole", 2, (members,)), resamples=5)
    values = np.vstack([measured.value_vectors, measured.reference.mean(axis=0)])
    worth = finest_lattice(3, 50_000) @ values.T
    best, ours = worth.max(axis=1), worth[:, members].max(axis=1)
    assert (1 - ours / best).max() == pytest.approx(judged.epsilon.estimate, abs=2e-3)
    assert (best - ours).max() == pytest.approx(judged.additive.estimate, abs=1e-3)
    share = (ours == worth[:, 0]).mean()
    entropy = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    assert judged.effective_policies == pytest.approx(np.exp(entropy), abs=0.02)
    assert judged.unused == 0


def test_the_reference_and_all_policies_are_the_two_ends(measured):
    policies = len(measured.rewards)
    nothing, everything = (
        judge(measured, Candidate("", 0, "whole", len(members), (members,)), resamples=5)
        for members in ((policies,), tuple(range(policies + 1)))
    )
    assert everything.epsilon.estimate == everything.additive.estimate == 0
    assert nothing.epsilon.estimate > 0.1
    assert nothing.effective_policies == 1


def test_a_portfolio_worth_less_than_nothing_has_an_additive_gap_only():
    rewards = np.stack([np.full((10, 2), 0.5), np.tile([0.0, 0.9], (10, 1))])
    measured = Measured(rewards, np.full((2, 10), 0.1), np.full((10, 2), 0.3))
    bad, good = (judge(measured, Candidate("", 1, "whole", 1, ((member,),)), resamples=3) for member in (1, 0))
    assert bad.epsilon is None
    assert bad.additive.estimate == pytest.approx(0.5, abs=1e-6)
    found = versus(measured, (good, bad), resamples=3)
    assert found.epsilon is None
    assert found.additive.estimate == pytest.approx(0.5 - 0.4, abs=1e-6)


def test_several_draws_are_averaged(measured):
    draws = ((0, 1), (2, 3))
    both = judge(measured, Candidate("random", 2, "whole", 2, draws), resamples=4)
    each = [judge(measured, Candidate("random", 2, "whole", 2, (draw,)), resamples=4) for draw in draws]
    assert both.epsilon.estimate == pytest.approx(np.mean([one.epsilon.estimate for one in each]))
    assert both.additive.resampled == pytest.approx(np.mean([one.additive.resampled for one in each], axis=0))


def test_a_comparison_tells_better_from_equal(measured):
    good, bad = (
        judge(measured, Candidate("some", 1, "whole", len(members), (members,)), resamples=40)
        for members in (tuple(range(8)), (int(np.argmax(WEIGHTS[:, 0])),))
    )
    same = versus(measured, (good, good), resamples=10)
    assert not any(change.significant for change in (same.epsilon, same.additive, same.change))
    better, worse = versus(measured, (good, bad), resamples=40), versus(measured, (bad, good), resamples=40)
    for name in ("epsilon", "additive", "change"):
        gain, loss = getattr(better, name), getattr(worse, name)
        assert gain.significant and gain.low > 0 and loss.significant
        assert (loss.estimate, loss.low, loss.high) == pytest.approx((-gain.estimate, -gain.high, -gain.low))
    assert better.epsilon.estimate == pytest.approx(bad.epsilon.estimate - good.epsilon.estimate)


def test_the_plan_trains_each_vector_once():
    plan = make_plan(settings(), sizes=(3, 5))
    grids = {
        "palm": palm_grid(3, epsilon=0.4, delta=0.08),
        "uniform": uniform_grid(3, 12),
        "random": random_grid(3, 12, seed=0),
    }
    assert len(np.unique(plan.weights, axis=0)) == len(plan.weights)
    for design, grid in grids.items():
        assert plan.weights[list(plan.pools[design])] == pytest.approx(grid)
    for size in (3, 5):
        (uniform,) = plan.whole["uniform", size]
        assert plan.weights[list(uniform)] == pytest.approx(uniform_grid(3, size))
        draws = plan.whole["random", size]
        assert {len(draw) for draw in draws} == {size}
        assert len(draws) == 12 // size
        assert len(set().union(*draws)) == size * len(draws)
        assert set().union(*draws) <= set(plan.pools["random"])
    origins = [plan.origin(policy) for policy in range(len(plan.weights))]
    # Uniform 3 is among uniform 12; one vector of uniform 5 is not.
    assert [origins.count(name) for name in ("palm", "uniform", "random", "uniform of 5")] == [12, 12, 12, 1]


def test_every_way_is_judged_and_compared_with_palm(problem):
    plan = make_plan(settings(epsilon=0.5, delta=0.15), sizes=(2,))
    choosing, judging = measure(problem, plan.weights).halves()
    found = candidates(plan, choosing)
    ways = {(one.design, one.method) for one in found}
    designs = ("palm", "uniform", "random")
    pruned_ways = {(design, method) for design in designs for method in ("exact", "greedy")}
    assert ways == {("reference", "whole"), *pruned_ways, ("uniform", "whole"), ("random", "whole")}
    judged = [judge(judging, one, resamples=3) for one in found]
    compared = pairs(judged)
    first = {ours.candidate.label for ours, _ in compared}
    assert first == {f"palm {len(plan.pools['palm'])}, exact, K = 2"}
    assert len(compared) == len(found) - 2
