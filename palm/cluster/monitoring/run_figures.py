"""Figures of a portfolio's runs, from their outcomes in the storage."""

import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from statistics import median
from typing import get_args

from palm.artifacts.outcome import Outcome, State
from palm.builds.outcome import read_outcome
from palm.builds.records import owner
from palm.cluster.monitoring import metrics
from palm.config.portfolio import PortfolioConfig
from palm.errors import DamagedError
from palm.progress import log
from palm.storage.records import Records

_FINISHED = ("promoted", "refused")
_MIN_USUAL, _MAX_USUAL = 5, 20
"""Number of finished rebuilds whose median counts as usual."""
_THREADS = 8
_MAY_RESUME_SECONDS = 7 * 86400
"""A failed run can be retried under its name for so long, which gives it another outcome."""


class OutcomeReader:
    """Outcomes of a portfolio's runs; each final one is read once. Invalid records are in `damaged`, by name."""

    def __init__(self, config: PortfolioConfig):
        self._root, self._owner = config.storage.root, owner(config.registry)
        # None: the run is another portfolio's.
        self._final: dict[str, Outcome | None] = {}
        self.damaged: frozenset[str] = frozenset()

    def read(self) -> dict[str, Outcome]:
        """Outcome of every run that has ended, by name."""
        names = Records(self._root).folders("builds")
        self._final = {name: self._final[name] for name in names if name in self._final}
        unknown = [name for name in names if name not in self._final]
        with ThreadPoolExecutor(_THREADS, "outcomes") as pool:
            answers = dict(zip(unknown, pool.map(self._look_up, unknown), strict=True))
        damaged = {name: answer for name, answer in answers.items() if isinstance(answer, DamagedError)}
        for name in sorted(set(damaged) - self.damaged):
            log.warning("%s", damaged[name])
        self.damaged = frozenset(damaged)
        found = {name: answer for name, answer in answers.items() if isinstance(answer, Outcome)}
        limit = time.time() - _MAY_RESUME_SECONDS
        self._final |= {
            name: outcome for name, outcome in found.items() if outcome.state != "failed" or outcome.ended < limit
        }
        self._final |= {name: None for name, answer in answers.items() if answer is _FOREIGN}
        return found | {name: outcome for name, outcome in self._final.items() if outcome is not None}

    def _look_up(self, name: str) -> Outcome | DamagedError | object | None:
        """Outcome of a run, None if there is none yet, `_FOREIGN`, or why it is invalid."""
        try:
            found = Records(self._root).read(f"builds/{name}/build")
            if found is None:
                return None
            if {key: found.get(key) for key in self._owner} != self._owner:
                return _FOREIGN
            return read_outcome(self._root, name)
        except DamagedError as error:
            return error


_FOREIGN = object()


class RunFigures:
    """Figures of a portfolio's runs, read repeatedly."""

    def __init__(self, config: PortfolioConfig):
        self._reader = OutcomeReader(config)
        # A counter must not decrease when outcomes are removed while it is watched.
        self._counted: dict[str, tuple[float, float]] = {}

    def read(self) -> metrics.Figures:
        """Read new outcomes and compute the figures."""
        outcomes = self._reader.read()
        self._counted |= {
            name: (outcome.device_seconds, outcome.device_seconds_saved)
            for name, outcome in outcomes.items()
            if outcome.state in _FINISHED
        }
        return {
            **run_figures(outcomes.values()),
            metrics.DAMAGED: len(self._reader.damaged),
            metrics.SPENT_TOTAL: sum(spent for spent, _ in self._counted.values()),
            metrics.SAVED_TOTAL: sum(saved for _, saved in self._counted.values()),
        }


def run_figures(outcomes: Iterable[Outcome]) -> metrics.Figures:
    """Compute the figures from the outcomes of all runs, in any order; unknown figures are absent."""
    newest = sorted(outcomes, key=lambda outcome: outcome.ended, reverse=True)
    counts = Counter(outcome.state for outcome in newest)
    finished = [outcome for outcome in newest if outcome.state in _FINISHED]
    figures: metrics.Figures = {
        metrics.RUNS: {state: counts[state] for state in get_args(State)},
        metrics.FAILED_IN_A_ROW: _in_a_row(newest, "failed"),
        metrics.REFUSED_IN_A_ROW: _in_a_row(finished, "refused"),
    }
    failed = [outcome for outcome in newest if outcome.state == "failed"]
    last = ((metrics.LAST_CHECK, newest), (metrics.LAST_REBUILD, finished), (metrics.LAST_FAILED, failed))
    figures |= {metric: group[0].ended for metric, group in last if group}
    built = [outcome for outcome in newest if outcome.state != "unchanged"]
    if built:
        figures |= _last_build(built[0])
        before = [outcome.device_seconds for outcome in finished if outcome is not built[0]][:_MAX_USUAL]
        if len(before) >= _MIN_USUAL:
            figures[metrics.USUAL_SECONDS] = median(before)
    return figures


def _in_a_row(newest: list[Outcome], state: str) -> int:
    return sum(1 for _ in takewhile(lambda outcome: outcome.state == state, newest))


def _last_build(outcome: Outcome) -> metrics.Figures:
    policies = outcome.policies
    figures: metrics.Figures = {
        metrics.LAST_BUILD_POLICIES: {
            "trained_anew": len(policies.trained) - len(policies.continued),
            "continued": len(policies.continued),
            "reused": len(policies.reused),
            "failed": len(policies.failed),
            "not_started": len(policies.not_started),
        },
        metrics.LAST_BUILD_SECONDS: outcome.device_seconds,
        metrics.LAST_BUILD_SAVED: outcome.device_seconds_saved,
    }
    if policies.marked is not None:
        figures[metrics.LAST_BUILD_MARKED] = len(policies.marked)
    return figures
