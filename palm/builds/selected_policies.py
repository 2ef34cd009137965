"""Policies and evaluations of a selection, fetched from the store: all files of the portfolio's, else records only."""

from pathlib import Path

from palm.artifacts.policy import Policy
from palm.artifacts.selection import Selection
from palm.builds.records import SUCCEEDED, task_records
from palm.builds.reuse import fetch_entry
from palm.config.portfolio import PortfolioConfig


def fetch_policies(config: PortfolioConfig, selection: Selection, build: str, folder: Path) -> list[Path]:
    """Fetch the policies that a build has trained or reused; its records say which ones it has trained itself.

    Returns:
        A folder for each policy, except candidates that are only from the champion; policy.json is the build's copy
        (`palm.artifacts.policy.Policy.in_build`).
    """
    trained = {
        task.result["policy"]
        for task in task_records(config.storage.root, build)
        if task.step == "train_policy" and task.state == SUCCEEDED and not task.result["reused"]
    }
    folders = []
    for candidate in selection.policies:
        if candidate.earlier:
            continue
        place = _fetched(config.storage.root, candidate.policy, candidate.policy, selection, folder)
        policy = Policy.read(place).in_build(
            weights=candidate.weights, reward_names=config.reward_names, reused=candidate.policy not in trained
        )
        policy.write(place)
        folders.append(place)
    return folders


def fetch_evaluations(root: str, selection: Selection, folder: Path) -> list[Path]:
    """Fetch the evaluations of the same policies, whose names the component select_portfolio has added."""
    return [_fetched(root, entry, policy, selection, folder) for policy, entry in selection.evaluations.items()]


def _fetched(root: str, entry: str, policy: str, selection: Selection, folder: Path) -> Path:
    return fetch_entry(root, entry, folder / policy, only="*" if policy in selection.portfolio else "*.json")
