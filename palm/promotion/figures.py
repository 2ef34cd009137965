"""Figures of a registered version that MLflow keeps: its certified gap, the gate's bound, its size."""

import math
from dataclasses import dataclass

from palm.artifacts.verdict import GAP_CHECK
from palm.promotion.judged import recorded_judgement
from palm.registry.client import Client
from palm.registry.run_records import EPSILON, PORTFOLIO_SIZE
from palm.registry.version import lookup_version


@dataclass(frozen=True)
class VersionFigures:
    """Figures of a version; None where nothing is recorded, as for a version that was registered by hand.

    Attributes:
        gap: certified worst-case gap ε, in [0, 1].
        gap_bound: upper bound of ε at the gate's confidence.
    """

    gap: float | None = None
    gap_bound: float | None = None
    policies: int | None = None


def version_figures(client: Client, model: str, version: str) -> VersionFigures:
    """Read the figures of a version; all are None if it was deleted."""
    entry = lookup_version(client, model, version)
    if entry is None:
        return VersionFigures()
    metrics = client.get_run(entry.run_id).data.metrics if entry.run_id else {}
    judgement = recorded_judgement(entry.tags)
    bounds = [check.bound for check in judgement.checks if check.name == GAP_CHECK] if judgement else []
    size = metrics.get(PORTFOLIO_SIZE)
    return VersionFigures(
        gap=_finite(metrics.get(EPSILON)),
        gap_bound=_finite(bounds[0]) if bounds else None,
        policies=None if size is None else int(size),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
