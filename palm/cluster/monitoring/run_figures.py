"""What the outcomes of runs say, in numbers."""

from collections import Counter
from collections.abc import Iterable
from itertools import takewhile
from statistics import median

from palm.cluster.monitoring import metrics
from palm.cluster.monitoring.outcomes import FAILED, OUTCOMES, PROMOTED, REFUSED, UNCHANGED, Outcome, OutcomeReader
from palm.config.portfolio import PortfolioConfig

_FINISHED = (PROMOTED, REFUSED)
_FEWEST, _MOST = 5, 20
"""Finished rebuilds that say what is usual."""


class RunFigures:
    """Numbers of a portfolio's runs, read from the storage again and again.

    Args:
        config: the configuration.
    """

    def __init__(self, config: PortfolioConfig):
        self._reader = OutcomeReader(config)
        # A counter must not fall when outcomes are removed while it is watched.
        self._counted: dict[str, tuple[float, float]] = {}

    def read(self) -> metrics.Figures:
        """Read what is new.

        Returns:
            The numbers.

        Raises:
            StorageError: the storage cannot be read.
        """
        outcomes = self._reader.read()
        self._counted |= {
            name: (outcome.device_seconds, outcome.device_seconds_saved)
            for name, outcome in outcomes.items()
            if outcome.state in _FINISHED
        }
        spent, saved = (sum(seconds[which] for seconds in self._counted.values()) for which in (0, 1))
        return {
            **run_figures(outcomes.values()),
            metrics.DAMAGED: len(self._reader.damaged),
            metrics.SPENT_TOTAL: spent,
            metrics.SAVED_TOTAL: saved,
        }


def run_figures(outcomes: Iterable[Outcome]) -> metrics.Figures:
    """Draw the numbers from the outcomes of all runs.

    Args:
        outcomes: in any order.

    Returns:
        The numbers that there are.
    """
    newest = sorted(outcomes, key=lambda outcome: outcome.ended, reverse=True)
    counts = Counter(outcome.state for outcome in newest)
    figures: metrics.Figures = {metrics.RUNS: {state: counts[state] for state in OUTCOMES}}
    finished = [outcome for outcome in newest if outcome.state in _FINISHED]
    failed = [outcome for outcome in newest if outcome.state == FAILED]
    for metric, group in (
        (metrics.LAST_CHECK, newest),
        (metrics.LAST_REBUILD, finished),
        (metrics.LAST_FAILED, failed),
    ):
        if group:
            figures[metric] = group[0].ended
    figures[metrics.FAILED_IN_A_ROW] = _in_a_row(newest, FAILED)
    figures[metrics.REFUSED_IN_A_ROW] = _in_a_row(finished, REFUSED)
    built = [outcome for outcome in newest if outcome.state != UNCHANGED]
    if built:
        figures |= _last_build(built[0])
        before = [outcome.device_seconds for outcome in finished if outcome is not built[0]][:_MOST]
        if len(before) >= _FEWEST:
            figures[metrics.USUAL_SECONDS] = median(before)
    return figures


def _in_a_row(newest: list[Outcome], state: str) -> int:
    return sum(1 for _ in takewhile(lambda outcome: outcome.state == state, newest))


def _last_build(outcome: Outcome) -> metrics.Figures:
    policies = outcome.policies
    figures: metrics.Figures = {
        metrics.LAST_BUILD_POLICIES: {
            "trained_anew": policies["trained"] - policies["continued"],
            **{became: policies[became] for became in ("continued", "reused", "failed", "not_started")},
        },
        metrics.LAST_BUILD_SECONDS: outcome.device_seconds,
        metrics.LAST_BUILD_SAVED: outcome.device_seconds_saved,
    }
    if outcome.marked is not None:
        figures[metrics.LAST_BUILD_MARKED] = outcome.marked
    return figures
