"""Measurements of policies that were never trained."""

import numpy as np

from palm.artifacts.evaluation import Diversity, Evaluation, Mean
from palm.geometry.portfolio.values import ValueTable

DIVERSITY = Diversity(
    kernel="token n-grams",
    samples_per_prompt=8,
    vendi_score=Mean(mean=2.0, standard_error=0.1),
    pairwise_distance=None,
    distinct={"1": None, "2": None, "3": None},
    distinct_ngrams=42,
)


def mean(value: float, error: float = 0.01) -> Mean:
    return Mean(mean=value, standard_error=error)


def evaluation(policy: str = "policy-a", **changes) -> Evaluation:
    """Evaluation of a policy of two rewards, with some of its fields changed."""
    measured = Evaluation(
        policy=policy,
        weights=(0.5, 0.5),
        guard=None,
        rewards={"length": mean(0.5), "vowels": mean(0.5)},
        metrics={},
        response_tokens=mean(4.0),
        truncation_rate=0.0,
        kl=mean(0.4),
        regulariser=0.04,
        objective=mean(0.5),
        objective_reference=mean(0.4),
        gain=mean(0.1),
        objective_optimum=mean(0.6),
        optimum_bias=0.0,
        effective_sample_size=9.0,
        smallest_effective_sample_size=5.0,
        share_of_gain=0.5,
        share_interval=None,
        value_vector=(0.5, 0.5),
        diversity=DIVERSITY,
    )
    return measured.model_copy(update=changes)


def value_table(rewards, regulariser) -> ValueTable:
    """Policies p0, p1, … with rewards r0, r1, …"""
    policies, objectives = np.shape(rewards)
    names, reward_names = ([f"{letter}{i}" for i in range(n)] for letter, n in (("p", policies), ("r", objectives)))
    return ValueTable(names, reward_names, rewards, regulariser)
