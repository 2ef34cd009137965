"""Which policies one task trains: few tasks however many policies, and each policy once."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.builds.training_groups import MOST_TASKS, Work, group_size, grouped, read_work, write_work
from palm.errors import DataError


def trainings(count: int, dimensions: int = 3) -> list[dict]:
    """Weight vectors of which many look the same in three decimals."""
    return [
        {
            "weights": [1.0 - index * 1e-6, *[index * 1e-6 / (dimensions - 1)] * (dimensions - 1)],
            "keep": "",
            "start": "",
        }
        for index in range(count)
    ]


@pytest.mark.parametrize(("policies", "size", "tasks"), [(0, 1, 0), (1, 1, 1), (16, 1, 16), (17, 2, 9), (48, 3, 16)])
def test_a_task_a_policy_as_long_as_these_are_few(policies, size, tasks):
    assert group_size(policies, None) == size
    assert len(grouped(trainings(policies), None)) == tasks <= MOST_TASKS


@given(st.integers(0, 1000))
def test_however_many_policies_there_are_at_most_sixteen_tasks(policies):
    groups = grouped(trainings(policies), None)
    assert len(groups) <= 16
    assert (len(groups) == policies) == (policies <= 16)


@given(st.integers(0, 300), st.none() | st.integers(1, 400))
def test_each_policy_is_in_one_group_in_the_order_of_the_design(policies, together):
    planned = trainings(policies)
    groups = grouped(planned, together)
    # As many names as groups: a name that came twice would have lost a group's policies.
    assert [training for group in groups.values() for training in group] == planned
    sizes = [len(group) for group in groups.values()]
    assert sizes[:-1] == [group_size(policies, together)] * (len(sizes) - 1)
    if together is not None:
        assert len(groups) == math.ceil(policies / together)


def test_groups_are_named_by_their_place_and_weights():
    planned = [{"weights": weights, "keep": "", "start": ""} for weights in ([0.0, 1.0], [0.5, 0.5], [1.0, 0.0])]
    assert list(grouped(planned, 2)) == ["1-2: 0.000 1.000 … 0.500 0.500", "3: 1.000 0.000"]


def test_work_is_read_as_it_was_written(tmp_path):
    work = Work("base-model-1", "rollouts-1", grouped(trainings(5), 2))
    write_work(tmp_path, work)
    assert read_work(tmp_path) == work
    with pytest.raises(DataError):
        read_work(tmp_path / "elsewhere")
