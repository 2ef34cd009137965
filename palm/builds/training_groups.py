"""Groups of trainings: one task trains and evaluates a group, so that a build of many policies has few tasks."""

import math
from collections.abc import Sequence

from palm.artifacts.plan import Group, Training
from palm.progress import weights_label

MOST_TASKS = 16
"""Training tasks of a build, unless ``training.together`` sets the size of a group."""


def group_size(policies: int, together: int | None) -> int:
    """Number of policies that one task trains: ``training.together``, or the least with at most `MOST_TASKS` groups."""
    return together or max(1, math.ceil(policies / MOST_TASKS))


def grouped(trainings: Sequence[Training], together: int | None) -> tuple[Group, ...]:
    """Divide trainings into groups (`group_size`), named by their place in the design and their weights."""
    size = group_size(len(trainings), together)
    parts = [(start, tuple(trainings[start : start + size])) for start in range(0, len(trainings), size)]
    return tuple(Group(name=_name(start, part), trainings=part) for start, part in parts)


def _name(start: int, group: tuple[Training, ...]) -> str:
    first, last = (weights_label(group[index].weights) for index in (0, -1))
    return f"{start + 1}: {first}" if len(group) == 1 else f"{start + 1}-{start + len(group)}: {first} … {last}"
