"""What is recorded of the champion's quality: its certified gap, the gate's bound, its size."""

import json
import math
from dataclasses import dataclass

from palm.config.portfolio import Registry
from palm.promotion.alias import is_gone
from palm.promotion.promote import GAP_CHECK, JUDGEMENT
from palm.registry.connection import connected

_EPSILON, _SIZE = "epsilon", "portfolio_size"
"""Metrics of a build's run (`palm.registry.run_records`)."""


@dataclass(frozen=True)
class ChampionFigures:
    """Figures of a version; None where nothing is recorded, as for one that was registered by hand.

    Attributes:
        gap: certified worst-case gap ε, in [0, 1].
        gap_bound: upper bound of ε at the gate's confidence.
        policies: policies in the portfolio.
    """

    gap: float | None = None
    gap_bound: float | None = None
    policies: int | None = None


def champion_figures(registry: Registry, version: str) -> ChampionFigures:
    """Read the figures of a version.

    Args:
        registry: where MLflow is, and the model's name.
        version: its number.

    Returns:
        The figures; all None if the version was deleted.

    Raises:
        RegistryError: MLflow fails.
    """
    with connected(registry) as client:
        if is_gone(client, registry.model, version):
            return ChampionFigures()
        entry = client.get_model_version(registry.model, version)
        metrics = client.get_run(entry.run_id).data.metrics if entry.run_id else {}
    size = metrics.get(_SIZE)
    return ChampionFigures(
        gap=_finite(metrics.get(_EPSILON)),
        gap_bound=_judged_bound(entry.tags.get(JUDGEMENT, "{}")),
        policies=None if size is None else int(size),
    )


def _judged_bound(judgement: str) -> float | None:
    """The bound in what the gate has said; a tag that people have edited holds none."""
    try:
        checks = json.loads(judgement).get("checks", [])
        bounds = [check["bound"] for check in checks if check["name"] == GAP_CHECK]
        return _finite(bounds[0]) if bounds else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _finite(value) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
