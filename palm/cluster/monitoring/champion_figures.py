"""What MLflow says of the champion and its promotions, in numbers."""

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
    """Numbers of a portfolio's champion, read from MLflow again and again.

    Args:
        config: the configuration.
    """

    def __init__(self, config: PortfolioConfig):
        self._config = config
        self._promotions = promotions(config)
        self._told = ""

    def read(self) -> metrics.Figures:
        """Read the promotion log and the champion.

        Returns:
            The numbers that there are; of a log that was edited beyond recognition only that it has a problem.

        Raises:
            RegistryError: MLflow fails.
        """
        check_exists(self._config.registry)
        try:
            found = self._promotions.history()
        except DamagedError as error:
            self._tell([str(error)])
            return {metrics.LOG_PROBLEMS: 1}
        self._tell(found.problems)
        figures: metrics.Figures = {
            metrics.REFUSED_VERSIONS: len(found.refused),
            # What a repair has taken note of needs nobody any more.
            metrics.LOG_PROBLEMS: len(found.problems) - len(found.noted),
        }
        champion = found.champion or found.alias
        return figures if champion is None else figures | self._champion(champion, found.entries)

    def _champion(self, version: str, entries: Sequence[LoggedEntry]) -> metrics.Figures:
        known = self._promotions.figures(version)
        numbers = {
            metrics.CHAMPION_VERSION: int(version),
            metrics.CHAMPION_SINCE: champion_since(version, entries),
            metrics.CHAMPION_GAP: known.gap,
            metrics.CHAMPION_BOUND: known.gap_bound,
            metrics.CHAMPION_POLICIES: known.policies,
        }
        return {metric: number for metric, number in numbers.items() if number is not None}

    def _tell(self, problems: Sequence[str]) -> None:
        """Log problems once, not at every reading."""
        text = "; ".join(problems)
        if text and text != self._told:
            log.warning("promotion log of %s: %s", self._config.registry.model, text)
        self._told = text


def champion_since(version: str, entries: Sequence[LoggedEntry]) -> float | None:
    """When a version became champion for the last time.

    Args:
        version: the champion.
        entries: of the promotion log, oldest first, as `palm.promotion.Promotions.history` gives them.

    Returns:
        Seconds since 1970; None if the log does not say.
    """
    since = None
    for entry in reversed([entry for entry in entries if entry.valid]):
        # A repair names the champion again that there was.
        if entry.after != version:
            break
        since = entry.at
    return None if since is None else datetime.fromisoformat(since).timestamp()
