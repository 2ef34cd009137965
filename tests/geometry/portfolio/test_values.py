"""Value tables."""

import numpy as np
import pytest

from palm.errors import DataError, SelectionError, WeightsError
from palm.geometry.portfolio.values import ValueTable


def table(**changes):
    given = {
        "names": ["short", "polite", "plain"],
        "reward_names": ["brevity", "kindness"],
        "rewards": [[0.9, 0.2], [0.3, 0.8], [0.3, 0.3]],
        "regulariser": [0.1, 0.2, 0.0],
    }
    return ValueTable(**(given | changes))


def test_value_vectors_are_rewards_minus_regulariser():
    np.testing.assert_allclose(table().value_vectors, [[0.8, 0.1], [0.1, 0.6], [0.3, 0.3]])
    assert table().names == ("short", "polite", "plain")


def test_objective_and_best():
    np.testing.assert_allclose(table().objective([0.5, 0.5]), [0.45, 0.35, 0.3])
    assert table().best([1, 0]) == "short"
    assert table().best([0, 1]) == "polite"
    with pytest.raises(WeightsError, match="must have 2 numbers"):
        table().best([0.2, 0.3, 0.5])


def test_ties_go_to_the_first():
    same = table(rewards=[[0.5, 0.5]] * 3, regulariser=[0, 0, 0])
    assert same.best([0.3, 0.7]) == "short"


def test_subset_keeps_the_order_given():
    part = table().subset(["plain", "short"])
    assert part.names == ("plain", "short")
    np.testing.assert_allclose(part.value_vectors, [[0.3, 0.3], [0.8, 0.1]])
    with pytest.raises(SelectionError, match="policy 'rude': is not in the table; choose from short, polite, plain"):
        table().subset(["rude"])
    with pytest.raises(DataError, match="plain: appear more than once"):
        table().subset(["plain", "plain"])


def test_the_table_keeps_its_own_numbers():
    rewards = np.full((3, 2), 0.5)
    kept = table(rewards=rewards)
    rewards[:] = 0
    assert (kept.rewards == 0.5).all()
    with pytest.raises(ValueError, match="read-only"):
        kept.rewards[0, 0] = 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rewards": [[0.9, 0.2], [0.3, 1.8], [0.3, 0.3]]}, "policy 'polite', reward 'kindness': 1.8: must be a"),
        ({"rewards": [[0.9, 0.2], [0.3, 0.8], [np.nan, 0.3]]}, "policy 'plain', reward 'brevity': nan"),
        ({"regulariser": [0.1, -0.2, 0]}, "policy 'polite', regulariser -0.2"),
        ({"regulariser": [0.1, np.inf, 0]}, "policy 'polite', regulariser inf"),
        ({"names": ["a", "a", "b"]}, "policies a: appear more than once"),
        ({"reward_names": ["x", "x"]}, "rewards x: appear more than once"),
        ({"reward_names": ["x"]}, "must be at least 2"),
        ({"names": [], "rewards": np.empty((0, 2)), "regulariser": []}, "must be at least 1"),
        ({"rewards": [[0.9, 0.2]]}, r"rewards of shape \(1, 2\): must be \(3, 2\)"),
        ({"regulariser": [0.1]}, r"regulariser of shape \(1,\)"),
        ({"rewards": [[0.9, 0.2], [0.3]]}, "must be numbers in rows of equal length"),
    ],
)
def test_bad_tables_are_errors(changes, message):
    with pytest.raises(DataError, match=message):
        table(**changes)
