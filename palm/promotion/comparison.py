"""Comparison with the champion: the largest loss of any preference if another portfolio takes its place.

The same is asked of the best champions before it. Else each promotion could lose a little against the last one, and
many together a lot.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from palm.artifacts.plan import Champion as RecordedChampion
from palm.artifacts.plan import EarlierChampion
from palm.builds.rebuild.candidates import EVALUATIONS
from palm.config.portfolio import PortfolioConfig
from palm.evaluation.measured import MeasuredByPrompt, measured_by_prompt, resamples
from palm.geometry.portfolio.statistics import Comparison, compare_portfolios


@dataclass(frozen=True, eq=False)
class Champion:
    """The portfolio that is served, or one that was.

    Attributes:
        version: its number in the registry.
        incomparable: why its J cannot be compared; empty if it can.
        measured: its policies, on the same prompts as all others; None if it cannot be compared.
        baseline: earlier champions that no preference may lose much against either.
    """

    version: str
    incomparable: str
    measured: MeasuredByPrompt | None
    baseline: tuple["Champion", ...] = ()

    @property
    def all(self) -> tuple["Champion", ...]:
        """It and its baseline."""
        return (self, *self.baseline)

    @property
    def value_vectors(self) -> np.ndarray:
        """Of its policies, shape (k, d)."""
        return self.measured.value_vectors


def read_champion(config: PortfolioConfig, plan: Path) -> Champion | None:
    """Read the champion as plan_training has measured it, from the folder of that step; None if there was none."""
    record = RecordedChampion.read(plan)
    if record.version is None:
        return None
    baseline = tuple(_measured(config, plan, earlier) for earlier in record.baseline)
    return replace(_measured(config, plan, record), baseline=baseline)


def _measured(config: PortfolioConfig, plan: Path, record: RecordedChampion | EarlierChampion) -> Champion:
    folders = [plan / EVALUATIONS / name for name in record.members]
    measured = None if record.incomparable else measured_by_prompt(config, folders)
    return Champion(record.version, record.incomparable, measured)


def loss_against(config: PortfolioConfig, other: MeasuredByPrompt, ours: MeasuredByPrompt) -> Comparison:
    """Bound the largest loss of any preference if a portfolio takes another one's place, at promotion.confidence."""
    before, after = len(other.rewards), len(ours.rewards)
    return compare_portfolios(
        np.concatenate([other.rewards, ours.rewards]),
        np.concatenate([other.costs, ours.costs]),
        range(before),
        range(before, before + after),
        groups=ours.groups,
        confidence=config.promotion.confidence,
        resamples=resamples(config),
        seed=config.evaluation.seed,
    )
