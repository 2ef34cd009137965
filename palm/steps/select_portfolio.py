"""Step: the policies that make the portfolio, with the certificate of its worst-case gap."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from palm.builds.missing_policies import check_enough, fewest_policies
from palm.builds.rebuild.candidates import earlier_evaluations
from palm.config.portfolio import PortfolioConfig
from palm.errors import DataError, SelectionError
from palm.evaluation.diversity import between_policies
from palm.evaluation.evaluate import read_answers
from palm.evaluation.measured import MeasuredByPrompt, measured_by_prompt, resamples
from palm.geometry.portfolio.selection import Selection, describe_selection, select
from palm.geometry.portfolio.size_gap_curve import size_gap_curve
from palm.geometry.portfolio.statistics import resample_gap
from palm.geometry.portfolio.values import ValueTable
from palm.progress import deadline, stage
from palm.promotion.comparison import Champion, loss_against, read_champion
from palm.storage.files import read_json, write_json

log = logging.getLogger(__name__)


def select_portfolio(
    config: PortfolioConfig,
    missing: Sequence[dict] = (),
    *,
    evaluations: list[Path],
    destination: Path,
    plan: Path | None = None,
) -> dict:
    """Select, certify and describe the portfolio.

    Args:
        config: the configuration.
        missing: ``weights`` and ``error`` of each policy whose training failed for good.
        evaluations: folders of the step evaluate_policies, one per policy.
        destination: JSON file to write.
        plan: folder of the step plan_training, whose earlier policies are candidates as well; None for none.

    Returns:
        Its content: the selection as `palm select --json` prints it, with ``interval`` (paired
        bootstrap over prompts, ``upper`` one-sided at promotion.confidence; null where resampled prompts leave no ε),
        ``size_gap_curve``, ``diversity`` of the portfolio (`palm.evaluation.diversity.between_policies`),
        ``policies`` (every evaluation, in the given order, with ``earlier``: whether it is there only as a candidate
        from the champion), ``missing``, and ``min_policies``: how many of the build's policies it needed.

    Raises:
        BuildError: too many policies are missing.
        DataError: evaluations are missing or of different prompts.
        SelectionError: no ε certifies; a δ is needed.
    """
    settings = config.selection
    with stage("select_portfolio", settings.method):
        planned = len(evaluations) + len(missing)
        check_enough(config.training, planned, list(missing))
        earlier = earlier_evaluations(plan)
        given = [*evaluations, *earlier]
        records = unique_policies(
            [{**read_json(folder / "evaluation.json"), "earlier": folder in earlier} for folder in given]
        )
        folders = {read_json(folder / "evaluation.json")["policy"]: folder for folder in given}
        table = value_table(records, config.reward_names)
        measured = measured_by_prompt(config, [folders[record["policy"]] for record in records])
        selection = _selected(config, table, measured, read_champion(config, plan) if plan else None)
        curve = size_gap_curve(
            table.value_vectors, delta=settings.delta, seconds_left=deadline(settings.time_limit_seconds)
        )
        result = {
            **describe_selection(table, selection, settings.size),
            "interval": _interval(config, measured, selection.indices),
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
            "missing": list(missing),
            "min_policies": fewest_policies(config.training, planned),
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


def _selected(
    config: PortfolioConfig, table: ValueTable, measured: MeasuredByPrompt, champion: Champion | None
) -> Selection:
    """The portfolio of the smallest gap of which nobody loses too much against the champion, if that can be had.

    The smallest gap comes first. Where some preference would lose more by it than the gate lets pass, portfolios are
    looked for that may lose less and less; the champion's own loses nothing, if its policies are candidates.
    """
    settings = config.selection

    def chosen(floor: np.ndarray | None) -> Selection:
        return select(
            table.value_vectors,
            settings.size,
            method=settings.method,
            delta=settings.delta,
            floor=floor,
            seconds_left=deadline(settings.time_limit_seconds),
        )

    best = chosen(None)
    if champion is None or champion.measured is None or settings.method != "exact":
        return best
    limit = config.promotion.max_loss
    for allowed in (None, limit / 2, 0.0):
        try:
            selection = best if allowed is None else chosen(champion.value_vectors - allowed)
        except SelectionError as error:
            log.info("nobody loses more than %s: %s", allowed, error)
            continue
        if loss_against(config, champion, measured.of(selection.indices)).loss_upper <= limit:
            # What is proven of all portfolios holds for those that count here as well.
            return replace(selection, bound=min(best.bound, selection.bound))
    return best


def _interval(config: PortfolioConfig, measured: MeasuredByPrompt, portfolio: tuple[int, ...]):
    try:
        gap = resample_gap(
            measured.rewards,
            measured.costs,
            portfolio,
            delta=config.selection.delta,
            resamples=resamples(config),
            seed=config.evaluation.seed,
        )
    except SelectionError as error:
        # Some resampled prompts leave the portfolio without value: the point estimate stands, its interval does not.
        log.warning("no interval for the worst-case gap: %s", error)
        return None
    interval, confidence = gap.interval(), config.promotion.confidence
    return {
        "confidence": interval.confidence,
        "low": interval.low,
        "high": interval.high,
        "upper": gap.interval(confidence).upper,
        "upper_confidence": confidence,
    }
