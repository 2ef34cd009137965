"""Groups of trainings: what one task trains and evaluates, so that a build of many policies has few tasks."""

import math
from dataclasses import dataclass
from pathlib import Path

from palm.progress import weights_label
from palm.storage.files import read_json, write_json

MOST_TASKS = 16
"""Training tasks of a build, unless ``training.together`` says otherwise."""

_FILE = "work.json"


@dataclass(frozen=True)
class Work:
    """What the tasks that train, evaluate, select and register need to know of those before them.

    Attributes:
        base_model: name of the prepared base model in the store.
        rollouts: name of the reference policy's rollouts in the store.
        groups: name of each group to its trainings, as the step plan_training gives them: ``weights``, ``keep``,
            ``start``.
    """

    base_model: str
    rollouts: str
    groups: dict[str, list[dict]]


def group_size(policies: int, together: int | None) -> int:
    """How many policies one task trains.

    Args:
        policies: number of policies, ≥ 0.
        together: ``training.together``; None: 1 up to `MOST_TASKS` policies, beyond that as few as make at most
            `MOST_TASKS` groups.

    Returns:
        At least 1.
    """
    return together or max(1, math.ceil(policies / MOST_TASKS))


def grouped(trainings: list[dict], together: int | None) -> dict[str, list[dict]]:
    """Divide trainings into groups.

    Args:
        trainings: as the step plan_training gives them.
        together: as in `group_size`.

    Returns:
        Name of each group, its place in the design and its weights, to its trainings.
    """
    size = group_size(len(trainings), together)
    groups = (trainings[start : start + size] for start in range(0, len(trainings), size))
    return {_name(number * size, group): group for number, group in enumerate(groups)}


def _name(start: int, group: list[dict]) -> str:
    first, last = (weights_label(group[index]["weights"]) for index in (0, -1))
    return f"{start + 1}: {first}" if len(group) == 1 else f"{start + 1}-{start + len(group)}: {first} … {last}"


def write_work(plan: Path, work: Work) -> None:
    """Keep the work beside the plan that it follows from.

    Args:
        plan: folder of the step plan_training.
        work: what is kept.
    """
    record = {
        "base_model": work.base_model,
        "rollouts": work.rollouts,
        "groups": [{"name": name, "trainings": group} for name, group in work.groups.items()],
    }
    write_json(plan / _FILE, record)


def read_work(plan: Path) -> Work:
    """Read what `write_work` has kept.

    Args:
        plan: folder of the step plan_training.

    Returns:
        The work.

    Raises:
        DataError: the file is missing or malformed.
    """
    record = read_json(plan / _FILE)
    groups = {group["name"]: group["trainings"] for group in record["groups"]}
    return Work(record["base_model"], record["rollouts"], groups)
