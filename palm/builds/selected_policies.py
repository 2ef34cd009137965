"""The policies and evaluations of a selection, fetched from the store: whole for the portfolio, else only records."""

from pathlib import Path

from palm.builds.records import SUCCEEDED, task_records
from palm.builds.reuse import fetch_entry
from palm.builds.training_spent import device_seconds
from palm.config.portfolio import PortfolioConfig
from palm.storage.files import read_json, write_json

_ALL, _RECORDS = "*", "*.json"


def fetch_policies(config: PortfolioConfig, selection: dict, build: str, folder: Path) -> list[Path]:
    """Fetch the policies that a build has trained or kept.

    Args:
        config: the configuration.
        selection: content of the step select_portfolio's file.
        build: name of the build: its records say which policies it has trained itself.
        folder: where they go.

    Returns:
        A folder for each policy that is not there only as a candidate from the champion; its policy.json has the
        weights under the present objectives, ``reused`` and ``device_seconds`` (`palm.steps.train_policy`).

    Raises:
        StorageError: one does not exist any more, or the store fails.
    """
    tasks = task_records(config.storage.root, build)
    trained_here = {
        task.result["policy"]
        for task in tasks
        if task.step == "train_policy" and task.state == SUCCEEDED and not task.result["reused"]
    }
    folders = []
    for measured in selection["policies"]:
        if measured["earlier"]:
            continue
        place = _fetched(config.storage.root, measured["policy"], measured["policy"], selection, folder)
        record = read_json(place / "policy.json")
        record |= {"weights": measured["weights"], "reward_names": config.reward_names}
        record |= {"reused": measured["policy"] not in trained_here, "device_seconds": device_seconds(record)}
        write_json(place / "policy.json", record)
        folders.append(place)
    return folders


def fetch_evaluations(root: str, selection: dict, folder: Path) -> list[Path]:
    """Fetch the evaluations of the same policies.

    Args:
        root: ``storage.root``.
        selection: content of the file of the component select_portfolio, with ``evaluations``: policy to entry.
        folder: where they go.

    Returns:
        A folder for each.

    Raises:
        StorageError: one does not exist any more, or the store fails.
    """
    return [_fetched(root, entry, policy, selection, folder) for policy, entry in selection["evaluations"].items()]


def _fetched(root: str, entry: str, policy: str, selection: dict, folder: Path) -> Path:
    only = _ALL if policy in selection["portfolio"] else _RECORDS
    return fetch_entry(root, entry, folder / policy, only=only)
