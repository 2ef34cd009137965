"""Figures of the champion and its promotions, from MLflow."""

from collections.abc import Sequence
from datetime import datetime

from palm.cluster.monitoring import metrics
from palm.config.portfolio import PortfolioConfig
from palm.errors import DamagedError
from palm.progress import log
from palm.promotion import promotions
from palm.promotion.history import LoggedEntry
from palm.registry.experiment import check_exists


class ChampionReader:
    """Figures of a portfolio's champion, read from MLflow repeatedly."""

    def __init__(self, config: PortfolioConfig):
        self._config = config
        self._promotions = promotions(config)
        self._logged = ""

    def read(self) -> metrics.Figures:
        """Read the promotion log and the champion; a damaged log only counts as a problem."""
        check_exists(self._config.registry)
        try:
            found = self._promotions.history()
        except DamagedError as error:
            self._log([str(error)])
            return {metrics.LOG_PROBLEMS: 1}
        self._log(found.problems)
        figures: metrics.Figures = {
            metrics.REFUSED_VERSIONS: len(found.refused),
            # Problems that a repair has noted need no attention.
            metrics.LOG_PROBLEMS: len(found.problems) - len(found.noted),
        }
        champion = found.champion or found.alias
        return figures if champion is None else figures | self._champion(champion, found.entries)

    def _champion(self, version: str, entries: Sequence[LoggedEntry]) -> metrics.Figures:
        known = self._promotions.figures(version)
        figures = {
            metrics.CHAMPION_VERSION: int(version),
            metrics.CHAMPION_SINCE: champion_since(version, entries),
            metrics.CHAMPION_GAP: known.gap,
            metrics.CHAMPION_BOUND: known.gap_bound,
            metrics.CHAMPION_POLICIES: known.policies,
        }
        return {metric: figure for metric, figure in figures.items() if figure is not None}

    def _log(self, problems: Sequence[str]) -> None:
        """Log problems once, not at every reading."""
        text = "; ".join(problems)
        if text and text != self._logged:
            log.warning("promotion log of %s: %s", self._config.registry.model, text)
        self._logged = text


def champion_since(version: str, entries: Sequence[LoggedEntry]) -> float | None:
    """Time at which a version became champion for the last time, seconds since 1970; None if it is not in the log."""
    since = None
    for entry in reversed([entry for entry in entries if entry.valid]):
        # A repair repeats the entry of the present champion.
        if entry.after != version:
            break
        since = entry.at
    return None if since is None else datetime.fromisoformat(since).timestamp()
