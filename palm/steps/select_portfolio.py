"""Step: the policies of the portfolio, with the certificate of its worst-case gap."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from palm.artifacts.evaluation import Evaluation, Measurements
from palm.artifacts.selection import Candidate, GapInterval, Missing, Selection
from palm.builds.checks.policy_count import check_enough, fewest_policies
from palm.builds.rebuild.candidates import earlier_evaluations
from palm.config.portfolio import PortfolioConfig
from palm.errors import DataError, SelectionError
from palm.evaluation.diversity import between_policies
from palm.evaluation.evaluate import read_answers
from palm.evaluation.measured import MeasuredByPrompt, measured_by_prompt, resamples
from palm.geometry.portfolio.selection import Selection as Chosen
from palm.geometry.portfolio.selection import describe_selection, select
from palm.geometry.portfolio.size_gap_curve import size_gap_curve
from palm.geometry.portfolio.statistics import resample_gap
from palm.geometry.portfolio.values import ValueTable
from palm.progress import deadline, stage
from palm.promotion.comparison import Champion, loss_against, read_champion

log = logging.getLogger(__name__)


def select_portfolio(
    config: PortfolioConfig,
    missing: Sequence[Missing | dict] = (),
    *,
    evaluations: list[Path],
    destination: Path,
    plan: Path | None = None,
) -> Selection:
    """Select, certify and describe the portfolio.

    Args:
        missing: policies whose training failed permanently.
        plan: its earlier policies are candidates as well; None for none.

    Raises:
        BuildError: too many policies are missing.
        SelectionError: no ε certifies; a δ is needed.
    """
    settings = config.selection
    failed = tuple(Missing.model_validate(entry) for entry in missing)
    with stage("select_portfolio", settings.method):
        planned = len(evaluations) + len(failed)
        check_enough(config.training, planned, failed)
        candidates, folders = _candidates(evaluations, earlier_evaluations(plan))
        table = value_table(candidates, config.reward_names)
        measured = measured_by_prompt(config, folders)
        chosen = _select(config, table, measured, read_champion(config, plan) if plan else None)
        curve = size_gap_curve(
            table.value_vectors, delta=settings.delta, seconds_left=deadline(settings.time_limit_seconds)
        )
        selection = Selection(
            **describe_selection(table, chosen, settings.size),
            interval=_interval(config, measured, chosen.indices),
            size_gap_curve=[asdict(point) for point in curve],
            diversity=between_policies(
                [read_answers(folders[index], config.reward_names) for index in chosen.indices],
                ngrams=config.evaluation.distinct_ngrams,
                seed=config.evaluation.seed,
            ),
            policies=candidates,
            missing=failed,
            min_policies=fewest_policies(config.training, planned),
        )
        selection.write(destination)
    return selection


def value_table(measured: Sequence[Measurements], reward_names: list[str]) -> ValueTable:
    """Table of the values of n policies: names, rewards (n, d) and regulariser (n,)."""
    if not measured:
        raise DataError("evaluations", rule="are empty", remedy="train and evaluate at least one policy")
    for entry in measured:
        if list(entry.rewards) != list(reward_names):
            raise DataError(
                f"evaluation of {entry.policy}: rewards {list(entry.rewards)}",
                rule=f"must be {list(reward_names)}",
                remedy="evaluate it again with this configuration",
            )
    return ValueTable(
        names=tuple(entry.policy for entry in measured),
        reward_names=tuple(reward_names),
        rewards=np.array([[mean.mean for mean in entry.rewards.values()] for entry in measured]),
        regulariser=np.array([entry.regulariser for entry in measured]),
    )


def _candidates(evaluations: list[Path], earlier: list[Path]) -> tuple[list[Candidate], list[Path]]:
    """Every policy once, as two equal weight vectors of a design are one policy; and the folders they are read from."""
    found: dict[str, tuple[Candidate, Path]] = {}
    for folder in (*evaluations, *earlier):
        evaluation = Evaluation.read(folder)
        candidate = Candidate(**evaluation.model_dump(exclude={"schema_version"}), earlier=folder in earlier)
        found.setdefault(candidate.policy, (candidate, folder))
    return [candidate for candidate, _ in found.values()], [folder for _, folder in found.values()]


def _select(
    config: PortfolioConfig, table: ValueTable, measured: MeasuredByPrompt, champion: Champion | None
) -> Chosen:
    """The portfolio of the smallest gap, or one with a larger gap that loses less against the champion.

    Where some preference would lose more by the smallest gap than the gate allows, portfolios are searched that may
    lose less and less. The champion's own portfolio loses nothing, if its policies are candidates. Champions before it
    that the gate compares with count like it.
    """
    settings = config.selection

    def chosen(floor: np.ndarray | None) -> Chosen:
        return select(
            table.value_vectors,
            settings.size,
            method=settings.method,
            delta=settings.delta,
            floor=floor,
            seconds_left=deadline(settings.time_limit_seconds),
        )

    best = chosen(None)
    standards = [] if champion is None else [standard for standard in champion.all if standard.measured is not None]
    if not standards or settings.method != "exact":
        return best
    limit = config.promotion.max_loss
    values = np.concatenate([standard.value_vectors for standard in standards])
    for allowed in (None, limit / 2, 0.0):
        try:
            selection = best if allowed is None else chosen(values - allowed)
        except SelectionError as error:
            log.info("no portfolio loses at most %s: %s", allowed, error)
            continue
        ours = measured.of(selection.indices)
        if all(loss_against(config, standard.measured, ours).loss_upper <= limit for standard in standards):
            # A bound that is proven for all portfolios holds for those that reach the floor.
            return replace(selection, bound=min(best.bound, selection.bound))
    return best


def _interval(config: PortfolioConfig, measured: MeasuredByPrompt, portfolio: tuple[int, ...]) -> GapInterval | None:
    try:
        gap = resample_gap(
            measured.rewards,
            measured.costs,
            portfolio,
            delta=config.selection.delta,
            resamples=resamples(config),
            seed=config.evaluation.seed,
            groups=measured.groups,
        )
    except SelectionError as error:
        # Some resampled prompts leave the portfolio without value.
        log.warning("no interval for the worst-case gap: %s", error)
        return None
    interval, confidence = gap.interval(), config.promotion.confidence
    return GapInterval(
        confidence=interval.confidence,
        low=interval.low,
        high=interval.high,
        upper=gap.interval(confidence).upper,
        upper_confidence=confidence,
    )
