"""Step: the policies that make the portfolio, with the certificate of its worst-case gap."""

import logging
from pathlib import Path

import numpy as np

from palm.config import PortfolioConfig
from palm.deadline import deadline
from palm.errors import DataError, SelectionError
from palm.evaluation.diversity import between_policies
from palm.evaluation.evaluate import read_answers
from palm.evaluation.rollouts import read_rollouts
from palm.portfolio.selection import describe_selection, select, size_gap_curve
from palm.portfolio.statistics import worst_case_gap_interval
from palm.portfolio.values import ValueTable
from palm.progress import stage
from palm.storage.files import read_json, write_json

log = logging.getLogger(__name__)


def select_portfolio(config: PortfolioConfig, evaluations: list[Path], destination: Path) -> dict:
    """Select, certify and describe the portfolio.

    Args:
        config: the configuration.
        evaluations: folders of the step evaluate_policy, one a policy.
        destination: JSON file to write.

    Returns:
        Its content: the selection as `palm select --json` prints it, with ``interval`` (paired
        bootstrap over prompts; null where resampled prompts leave no ε), ``size_gap_curve``, ``diversity`` of the
        portfolio (`palm.evaluation.diversity.between_policies`) and ``policies`` (every evaluation, in the given
        order).

    Raises:
        DataError: evaluations are missing or of different prompts.
        SelectionError: no ε certifies; a δ is needed.
    """
    settings = config.selection
    with stage("select_portfolio", settings.method):
        records = unique_policies([read_json(folder / "evaluation.json") for folder in evaluations])
        folders = {read_json(folder / "evaluation.json")["policy"]: folder for folder in evaluations}
        table = value_table(records, config.reward_names)
        selection = select(
            table.value_vectors,
            settings.size,
            method=settings.method,
            delta=settings.delta,
            seconds_left=deadline(settings.time_limit_seconds),
        )
        curve = size_gap_curve(
            table.value_vectors, delta=settings.delta, seconds_left=deadline(settings.time_limit_seconds)
        )
        result = {
            **describe_selection(table, selection, settings.size),
            "interval": _interval(config, records, folders, selection.indices),
            "size_gap_curve": [
                {"size": point.size, "exact": point.exact, "bound": point.bound, "greedy": point.greedy}
                for point in curve
            ],
            "diversity": between_policies(
                [read_answers(folders[records[index]["policy"]], config.reward_names) for index in selection.indices],
                ngrams=config.evaluation.distinct_ngrams,
                seed=config.evaluation.seed,
            ),
            "policies": records,
        }
        write_json(destination, result)
    return result


def unique_policies(records: list[dict]) -> list[dict]:
    """Drop repeats of the same policy: two equal weight vectors in a design are one policy.

    Args:
        records: evaluations.

    Returns:
        The first record of each policy, in order.
    """
    return list({record["policy"]: record for record in reversed(records)}.values())[::-1]


def value_table(records: list[dict], reward_names: list[str]) -> ValueTable:
    """The evaluations as a table of values.

    Args:
        records: evaluations, length n.
        reward_names: length d.

    Returns:
        Names, rewards (n, d) and regulariser (n,).

    Raises:
        DataError: there are none, or one was made with other rewards.
    """
    if not records:
        raise DataError("evaluations", rule="are empty", remedy="train and evaluate at least one policy")
    for record in records:
        if list(record["rewards"]) != list(reward_names):
            raise DataError(
                f"evaluation of {record['policy']}: rewards {list(record['rewards'])}",
                rule=f"must be {list(reward_names)}",
                remedy="evaluate it again with this configuration",
            )
    return ValueTable(
        names=tuple(record["policy"] for record in records),
        reward_names=tuple(reward_names),
        rewards=np.array([[record["rewards"][name]["mean"] for name in reward_names] for record in records]),
        regulariser=np.array([record["regulariser"] for record in records]),
    )


def _interval(config: PortfolioConfig, records: list[dict], folders: dict[str, Path], portfolio: tuple[int, ...]):
    import pandas as pd

    rewards, costs = [], []
    for record in records:
        path = folders[record["policy"]] / "samples.parquet"
        rollouts = read_rollouts(path, config.reward_names)
        divergences = pd.read_parquet(path, columns=["kl"])["kl"].to_numpy().reshape(rollouts.truncated.shape)
        rewards.append(rollouts.rewards.mean(axis=1))
        costs.append(config.beta * divergences.mean(axis=1))
    try:
        interval = worst_case_gap_interval(
            np.stack(rewards), np.stack(costs), portfolio, delta=config.selection.delta, seed=config.evaluation.seed
        )
    except SelectionError as error:
        # Some resampled prompts leave the portfolio without value: the point estimate stands, its interval does not.
        log.warning("no interval for the worst-case gap: %s", error)
        return None
    return {"confidence": interval.confidence, "low": interval.low, "high": interval.high}
