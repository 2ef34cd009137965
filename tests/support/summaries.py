"""Summaries of builds of any size, with random figures in plausible ranges."""

import numpy as np

from palm.artifacts.summary import Summary
from palm.geometry.portfolio.selection import describe_selection, select
from palm.geometry.portfolio.values import ValueTable
from palm.geometry.preferences.coverage import Coverage
from palm.geometry.preferences.design import Design
from palm.geometry.preferences.packing import Packing
from palm.geometry.preferences.simplex import spread_points

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
_SAMPLED = {"kernel": "token n-grams", "samples_per_prompt": 8, "distinct_ngrams": 10}
_SPREAD = {"pairwise_distance": None, "distinct": {}}


def make_summary(dimension=3, count=12, size=4, *, names=NAMES, metric_names=("correct_answer",), seed=0) -> Summary:
    """A complete build: ``count`` policies on ``dimension`` rewards, ``size`` of them in the portfolio, promoted."""
    return _Maker(list(names[:dimension]), list(metric_names), seed).summary(spread_points(dimension, count), size)


def edited(summary: Summary, **changes) -> Summary:
    """A summary with some values changed: ``selection__epsilon=0.03``, ``policies__0__guard={…}``."""
    content = summary.model_dump()
    for path, value in changes.items():
        *parents, last = [int(key) if key.isdigit() else key for key in path.split("__")]
        place = content
        for key in parents:
            place = place[key]
            assert not isinstance(place, tuple) or isinstance(place[0], dict)
        place[last] = value
    return Summary.model_validate(content)


class _Maker:
    def __init__(self, names: list[str], metric_names: list[str], seed: int):
        self._names, self._metric_names = names, metric_names
        self._generator = np.random.default_rng(seed)

    def summary(self, weights: np.ndarray, size: int) -> Summary:
        policies = [self._policy(index, vector.tolist()) for index, vector in enumerate(weights)]
        selection = self._selection(policies, size)
        return Summary(
            title="quickstart",
            build_id="build-7f3a0c",
            created="2026-11-23T21:00:00+00:00",
            palm_version="0.1.0",
            reward_names=self._names,
            metric_names=self._metric_names,
            beta=0.15,
            design=self._design(weights),
            reference=self._scores(),
            policies=policies,
            trained=["0.6 0.2 0.2"],
            continued=["0.6 0.2 0.2"],
            reused=["0.2 0.2 0.6"],
            device_seconds=412.0,
            device_seconds_saved=365.0,
            earlier=4,
            from_version="3",
            selection=selection,
            registration={
                "model": "palm-quickstart",
                "version": "4",
                "run_id": "r",
                "aliases": ["challenger", "champion"],
            },
            promotion=self._verdict(selection),
            samples=[
                {"prompt": prompt, "responses": self._responses(rank, selection["portfolio"])}
                for rank, prompt in enumerate(_PROMPTS)
            ],
            config_yaml=f"rewards: [{', '.join(self._names)}]\nportfolio: {{size: {size}}}\n",
        )

    def _mean(self, low=0.05, high=0.95) -> dict:
        uniform = self._generator.uniform
        return {"mean": uniform(low, high), "standard_error": uniform(0.005, 0.012)}

    def _scores(self) -> dict:
        return {
            "rewards": {name: self._mean() for name in self._names},
            "metrics": {name: self._mean() for name in self._metric_names},
            "response_tokens": self._mean(18, 40),
            "truncation_rate": 0.01,
        }

    def _policy(self, index: int, weights: list[float]) -> dict:
        uniform, share = self._generator.uniform, self._generator.uniform(0.8, 0.95)
        return {
            **self._scores(),
            "policy": f"policy-{self._generator.integers(16**12):012x}",
            "weights": weights,
            "guard": None,
            "kl": self._mean(0.5, 2),
            "regulariser": uniform(0.1, 0.3),
            **{key: self._mean() for key in ("objective", "objective_reference", "gain", "objective_optimum")},
            "optimum_bias": uniform(0.001, 0.01),
            "effective_sample_size": uniform(4, 20),
            "smallest_effective_sample_size": uniform(1, 4),
            "share_of_gain": share,
            "share_interval": {"confidence": 0.95, "low": share - 0.06, "high": share + 0.06},
            "value_vector": uniform(0.2, 0.9, size=len(weights)).tolist(),
            "diversity": {"vendi_score": self._mean(4, 8), **_SPREAD, **_SAMPLED},
            "earlier": False,
            "backend": "rloo",
            "training_seconds": uniform(40, 9000),
            "reused": index % 3 == 0,
            "start": None,
        }

    def _design(self, weights: np.ndarray) -> dict:
        objectives = weights.shape[1]
        nothing = Packing(np.empty((0, objectives)), np.empty(0))
        return Design("palm", objectives, 0.4, 0.06, weights, Coverage(True, 0.0, None), nothing).to_dict()

    def _selection(self, policies: list[dict], size: int) -> dict:
        names, values = ([policy[key] for policy in policies] for key in ("policy", "value_vector"))
        table = ValueTable(names, self._names, values, np.zeros(len(names)))
        described = describe_selection(table, select(table.value_vectors, size, method="greedy", delta=0.01))
        epsilon = described["epsilon"]
        gaps = np.sort(self._generator.uniform(0.02, 0.3, size=min(len(names), 10)))[::-1]
        return {
            **described,
            "interval": {
                **{"confidence": 0.95, "low": 0.8 * epsilon, "high": 1.3 * epsilon},
                **{"upper": 1.25 * epsilon, "upper_confidence": 0.95},
            },
            "size_gap_curve": [
                {"size": kept, "exact": gap, "bound": 0.97 * gap, "greedy": 1.1 * gap}
                for kept, gap in enumerate(gaps, 1)
            ],
            "diversity": {
                **_SAMPLED,
                "single": {"vendi_score": self._mean(5, 6), **_SPREAD},
                "mixture": {"vendi_score": self._mean(6, 7), **_SPREAD},
                "effective_policies": self._mean(2, 3),
                "effective_policies_by_chance": self._mean(1, 1.5),
            },
            "policies": [],
            "missing": [],
            "min_policies": 1,
        }

    def _verdict(self, selection: dict) -> dict:
        checks = [
            ("worst-case gap", selection["epsilon"], selection["interval"]["upper"], 0.2, ""),
            ("largest loss of any preference against version 3", 0.004, 0.0112, 0.02, "safety 1.00"),
            ("guards that fired in training", 0.0, None, 0.0, ""),
        ]
        keys = ("name", "value", "bound", "limit", "detail")
        return {
            "promoted": True,
            "reason": "worst-case gap 0.0712 (bound 0.1034) keeps the limit 0.2 (bounds at 95%)",
            "version": "4",
            "previous_version": "3",
            "checks": [dict(zip(keys, check, strict=True), passed=True) for check in checks],
            "log_entry": 4,
            "confidence": 0.95,
        }

    def _responses(self, rank: int, portfolio: list[str]) -> list[dict]:
        return [
            {
                "policy": policy,
                "response": _TEXTS[(rank + number) % len(_TEXTS)],
                "rewards": {name: self._generator.uniform() for name in self._names},
            }
            for number, policy in enumerate(["reference", *portfolio])
        ]
