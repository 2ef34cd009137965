"""Groups of trainings: few tasks for any number of policies, and each policy once."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.artifacts.plan import Training, Work
from palm.builds.training_groups import MOST_TASKS, group_size, grouped
from palm.errors import DataError


def trainings(count: int) -> list[Training]:
    """Weight vectors of which many look the same in three decimals."""
    return [Training(weights=[1.0 - index * 1e-6, *[index * 1e-6 / 2] * 2]) for index in range(count)]


@pytest.mark.parametrize(("policies", "size", "tasks"), [(0, 1, 0), (1, 1, 1), (16, 1, 16), (17, 2, 9), (48, 3, 16)])
def test_few_policies_have_one_task_each(policies, size, tasks):
    assert group_size(policies, None) == size
    assert len(grouped(trainings(policies), None)) == tasks <= MOST_TASKS


@given(st.integers(0, 1000))
def test_any_number_of_policies_has_at_most_sixteen_tasks(policies):
    groups = grouped(trainings(policies), None)
    assert len(groups) <= 16
    assert (len(groups) == policies) == (policies <= 16)


@given(st.integers(0, 300), st.none() | st.integers(1, 400))
def test_each_policy_is_in_one_group_in_the_order_of_the_design(policies, together):
    planned = trainings(policies)
    groups = grouped(planned, together)
    assert [training for group in groups for training in group.trainings] == planned
    assert len({group.name for group in groups}) == len(groups)
    sizes = [len(group.trainings) for group in groups]
    assert sizes[:-1] == [group_size(policies, together)] * (len(sizes) - 1)
    if together is not None:
        assert len(groups) == math.ceil(policies / together)


def test_groups_are_named_by_their_place_and_weights():
    groups = grouped([Training(weights=weights) for weights in ([0.0, 1.0], [0.5, 0.5], [1.0, 0.0])], 2)
    assert [group.name for group in groups] == ["1-2: 0.000 1.000 … 0.500 0.500", "3: 1.000 0.000"]
    work = Work(base_model="base-model-1", rollouts="rollouts-1", groups=groups)
    assert work.group("3: 1.000 0.000") == (Training(weights=[1.0, 0.0]),)
    with pytest.raises(DataError, match="group='4': is not in work.json"):
        work.group("4")
