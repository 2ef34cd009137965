"""Builds made from exact tabular problems, so that every number on a page is consistent with the others."""

import copy
from functools import cache
from itertools import combinations

import numpy as np
import pytest

from palm.geometry.preferences.coverage import check_coverage
from palm.geometry.preferences.simplex import finest_lattice, spread_points

NAMES = ("brevity", "safety", "humour", "politeness", "factual_correctness")
_TEXTS = (
    "Try a walk first: twenty minutes outside helps more people than any app does.",
    "I would rather not guess. If it lasts longer than two weeks, please talk to a doctor; until then keep "
    "regular hours, avoid screens before bed and write down what keeps you awake.",
    "Counting sheep is overrated, they unionised and now they demand breaks. Count goats instead: no "
    "contract, no dignity, and they are asleep before you are.",
    "No.",
)
_PROMPTS = (
    "I cannot sleep. What should I do?",
    "Write one sentence about the sea for a postcard to my grandmother, who used to be a lighthouse keeper.",
    "Is it safe to mix bleach and vinegar?",
)


def _measured(generator, mean, spread=0.008):
    return {"mean": float(mean), "standard_error": float(spread * generator.uniform(0.6, 1.4))}


def _tabular_policies(weights, *, beta, generator):
    """Closed-form optima of a random problem with 12 prompts and 40 responses, at 90-99 % of the gain."""
    dimension = weights.shape[1]
    rewards = generator.beta(1.2, 1.6, size=(12, 40, dimension))
    logits = weights @ rewards.reshape(-1, dimension).T / beta
    scaled = logits.reshape(len(weights), 12, 40) * generator.uniform(0.7, 0.95, size=(len(weights), 1, 1))
    policies = np.exp(scaled - scaled.max(axis=2, keepdims=True))
    policies /= policies.sum(axis=2, keepdims=True)
    divergence = (policies * np.log(policies * 40)).sum(axis=2).mean(axis=1)
    expected = np.einsum("kxy,xyd->kd", policies, rewards) / 12
    optimum = beta * np.log(np.exp(logits.reshape(len(weights), 12, 40)).mean(axis=2)).mean(axis=1)
    return expected, divergence, optimum, rewards.mean(axis=(0, 1))


def _gap(values, members, points):
    best = (values @ points.T).max(axis=0)
    kept = (values[list(members)] @ points.T).max(axis=0)
    return float((1 - kept / best).max()), points[int((1 - kept / best).argmax())], float((best - kept).max())


def _select(values, size, points):
    count = len(values)
    if count <= 12:
        return min(combinations(range(count), size), key=lambda members: _gap(values, members, points)[0])
    return _greedy(values, size, points)


def _greedy(values, size, points):
    members = []
    for _ in range(size):
        rest = [index for index in range(len(values)) if index not in members]
        members.append(min(rest, key=lambda index: _gap(values, [*members, index], points)[0]))
    return tuple(members)


def _selection(names, values, *, size, points):
    curve = []
    for kept in range(1, min(len(values), 10) + 1):
        exact, greedy = (_gap(values, choose(values, kept, points)[:kept], points)[0] for choose in (_select, _greedy))
        curve.append({"size": kept, "exact": min(exact, greedy), "bound": 0.97 * min(exact, greedy), "greedy": greedy})
    members = _select(values, size, points)
    epsilon, worst, additive = _gap(values, members, points)
    best = (values[list(members)] @ points.T).argmax(axis=0)
    return {
        "size": size,
        "method": "exact",
        "portfolio": [names[member] for member in members],
        "epsilon": epsilon,
        "epsilon_bound": 0.97 * epsilon,
        "delta": 0.01,
        "worst_weights": worst.tolist(),
        "usage": {names[member]: float((best == rank).mean()) for rank, member in enumerate(members)},
        "additive_gap": additive,
        "size_gap_curve": curve,
        "interval": {"confidence": 0.95, "low": 0.8 * epsilon, "high": 1.3 * epsilon},
        "missing": [],
        "diversity": {
            "kernel": "token n-grams",
            "samples_per_prompt": 8,
            "single": {"vendi_score": {"mean": 5.2, "standard_error": 0.1}},
            "mixture": {"vendi_score": {"mean": 6.9, "standard_error": 0.1}},
            "effective_policies": {"mean": 2.4, "standard_error": 0.05},
            "effective_policies_by_chance": {"mean": 1.3, "standard_error": 0.02},
        },
    }


def _design(weights, *, epsilon, delta):
    coverage = check_coverage(weights, epsilon=epsilon, delta=delta)
    point = coverage.counterexample
    return {
        "strategy": "palm",
        "objectives": weights.shape[1],
        "epsilon": epsilon,
        "delta": delta,
        "size": len(weights),
        "weights": weights.tolist(),
        "lower_bound": None,
        "coverage": {
            "method": "exact",
            "covered": bool(coverage.covered),
            "uncovered_fraction": float(coverage.uncovered_fraction),
            "counterexample": None if point is None else np.asarray(point).tolist(),
        },
    }


def _policy(index, *, weights, expected, divergence, optimum, reference, beta, metrics, generator):
    objective = float(weights @ expected - beta * divergence)
    untrained = float(weights @ reference)
    share = (objective - untrained) / (float(optimum) - untrained)
    return {
        "policy": f"policy-{generator.integers(16**12):012x}",
        "guard": None,
        "weights": weights.tolist(),
        "rewards": metrics["rewards"][index],
        "metrics": metrics["metrics"][index],
        "kl": _measured(generator, divergence, 0.05),
        "regulariser": float(beta * divergence),
        "objective": _measured(generator, objective),
        "objective_reference": _measured(generator, untrained),
        "gain": _measured(generator, objective - untrained),
        "objective_optimum": _measured(generator, optimum),
        "optimum_bias": float(generator.uniform(0.001, 0.01)),
        "share_of_gain": share,
        "share_interval": {"confidence": 0.95, "low": share - 0.06, "high": share + 0.06},
        "effective_sample_size": float(generator.uniform(4, 20)),
        "smallest_effective_sample_size": float(generator.uniform(1, 4)),
        "value_vector": (expected - beta * divergence).tolist(),
        "response_tokens": _measured(generator, generator.uniform(18, 40)),
        "truncation_rate": float(generator.uniform(0, 0.04)),
        "diversity": {"vendi_score": _measured(generator, generator.uniform(4, 8))},
        "backend": "rloo",
        "training_seconds": float(generator.uniform(40, 9000)),
        "reused": index % 3 == 0,
        "start": None,
        "earlier": False,
    }


def _samples(policies, names, generator):
    return [
        {
            "prompt": prompt,
            "responses": [
                {
                    "policy": policy,
                    "response": _TEXTS[(rank + number) % len(_TEXTS)],
                    "rewards": {name: float(generator.uniform()) for name in names},
                }
                for number, policy in enumerate(["reference", *policies])
            ],
        }
        for rank, prompt in enumerate(_PROMPTS)
    ]


def _policies(weights, *, names, metric_names, beta, generator):
    expected, divergence, optimum, reference = _tabular_policies(weights, beta=beta, generator=generator)
    measured = {
        "rewards": [
            {name: _measured(generator, mean) for name, mean in zip(names, row, strict=True)} for row in expected
        ],
        "metrics": [{name: _measured(generator, generator.uniform()) for name in metric_names} for _ in weights],
    }
    policies = [
        _policy(
            index,
            weights=weights[index],
            expected=expected[index],
            divergence=divergence[index],
            optimum=optimum[index],
            reference=reference,
            beta=beta,
            metrics=measured,
            generator=generator,
        )
        for index in range(len(weights))
    ]
    return policies, {
        "rewards": {name: _measured(generator, mean) for name, mean in zip(names, reference, strict=True)},
        "metrics": {name: _measured(generator, 0.3) for name in metric_names},
        "response_tokens": _measured(generator, 31.2),
        "truncation_rate": 0.01,
    }


def make_build(dimension=3, count=12, size=4, *, names=NAMES, metric_names=("correct_answer",), seed=0, beta=0.15):
    """A complete build: ``count`` policies on ``dimension`` rewards, ``size`` of them in the portfolio."""
    generator = np.random.default_rng(seed)
    names = list(names[:dimension])
    weights = spread_points(dimension, count)
    policies, reference = _policies(weights, names=names, metric_names=metric_names, beta=beta, generator=generator)
    values = np.array([policy["value_vector"] for policy in policies])
    selection = _selection(
        [policy["policy"] for policy in policies],
        values,
        size=size,
        points=finest_lattice(dimension, 900),
    )
    return {
        "title": "quickstart",
        "build_id": "build-7f3a0c",
        "created": "2026-11-23T21:00:00+00:00",
        "palm_version": "0.1.0",
        "reward_names": names,
        "metric_names": list(metric_names),
        "beta": beta,
        "design": _design(weights, epsilon=0.4, delta=0.06),
        "reference": reference,
        "policies": policies,
        "selection": selection,
        "registration": {"model": "palm-quickstart", "version": "4", "aliases": ["challenger", "champion"]},
        "promotion": {
            "promoted": True,
            "reason": "worst-case gap 0.0712 (bound 0.1034) keeps the limit 0.2 (bounds at 95%)",
            "previous_version": "3",
            "confidence": 0.95,
            "checks": [
                _check("worst-case gap", selection["epsilon"], selection["interval"]["high"], 0.2, ""),
                _check("largest loss of any preference against version 3", 0.004, 0.0112, 0.02, "safety 1.00"),
                _check("guards that fired in training", 0.0, None, 0.0, ""),
            ],
        },
        "trained": ["0.6 0.2 0.2"],
        "continued": ["0.6 0.2 0.2"],
        "reused": ["0.2 0.2 0.6"],
        "device_seconds": 412.0,
        "device_seconds_saved": 365.0,
        "earlier": 4,
        "from_version": "3",
        "samples": _samples(selection["portfolio"], names, generator),
        "kfp_mlflow_run": None,
        "config_yaml": f"rewards: [{', '.join(names)}]\nportfolio: {{size: {size}}}\n",
    }


def _check(name, value, bound, limit, detail):
    return {"name": name, "value": value, "bound": bound, "limit": limit, "passed": True, "detail": detail}


@pytest.fixture(scope="session")
def build_maker():
    """The maker of complete builds, for other sizes than the usual one."""
    return make_build


@cache
def _usual_build():
    return make_build()


@pytest.fixture
def build():
    """Twelve policies on three rewards, four of them kept, promoted."""
    return copy.deepcopy(_usual_build())
