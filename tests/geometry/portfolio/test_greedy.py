"""Greedy set cover."""

import numpy as np

from palm.geometry.portfolio.certificate import regrets
from palm.geometry.portfolio.goal import SmallestEpsilon
from palm.geometry.portfolio.greedy import dense_preferences, greedy_cover


def test_greedy_finds_the_only_cover():
    """Two policies best at one corner each; the third covers the middle but no corner well."""
    values = np.array([[1.0, 0.1], [0.1, 1.0], [0.5, 0.5]])
    assert sorted(greedy_cover(values, np.eye(2), 2, goal=SmallestEpsilon(), candidates=np.arange(3))) == [0, 1]


def test_greedy_takes_no_more_than_the_size_and_only_useful_ones():
    values = np.random.default_rng(0).uniform(0.1, 1, (20, 3))
    weights = dense_preferences(3)
    for size in range(1, 8):
        picks = greedy_cover(values, weights, size, goal=SmallestEpsilon(), candidates=np.arange(20))
        assert 1 <= len(picks) <= size
        assert len(set(picks)) == len(picks)


def test_greedy_level_never_rises_with_the_size():
    values = np.random.default_rng(1).uniform(0.1, 1, (25, 3))
    weights = dense_preferences(3)
    table = regrets(values, weights, delta=0.0)
    everything = np.arange(25)
    levels = [
        table[:, greedy_cover(values, weights, size, goal=SmallestEpsilon(), candidates=everything)].min(axis=1).max()
        for size in (1, 3, 6, 12, 25)
    ]
    assert levels[-1] == 0
    assert levels == sorted(levels, reverse=True)
