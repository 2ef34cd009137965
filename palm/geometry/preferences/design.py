"""Designs: a grid of preferences by strategy, with its exact coverage and a bound on how small it could be."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike

from palm.errors import WeightsError
from palm.geometry.arrays import Array
from palm.geometry.preferences.coverage import Coverage, check_coverage
from palm.geometry.preferences.grids import palm_grid, random_grid, uniform_grid
from palm.geometry.preferences.line import line_cover, line_packing
from palm.geometry.preferences.minimal import minimal_grid
from palm.geometry.preferences.packing import Packing, pack_preferences
from palm.geometry.preferences.request import PREDICTED, check_request
from palm.geometry.preferences.simplex import check_weight_rows
from palm.geometry.preferences.time_budget import SecondsLeft, share_of, unlimited
from palm.geometry.preferences.weighted_packing import MAX_OBJECTIVES, weighted_packing

QUICK_ROUNDS, ROUNDS = 8, 60
"""Most linear programs for the lower bound: of a strategy that does not search for it, and of ``minimal``."""
BOUND_SHARE = 0.2
"""Share of the time that ``minimal`` spends on the lower bound."""


class CoverageReport(TypedDict):
    """The coverage of a design, in plain values."""

    method: str
    covered: bool
    uncovered_fraction: float
    counterexample: list[float] | None


class DesignReport(TypedDict):
    """A design in plain values: a certificate that `palm verify` checks."""

    certificate: str
    strategy: str
    objectives: int
    epsilon: float
    delta: float
    size: int
    weights: list[list[float]]
    coverage: CoverageReport
    lower_bound: int
    packing: list[list[float]]
    packing_weights: list[float]


@dataclass(frozen=True, eq=False)
class Design:
    """A grid of preference vectors with its certificate.

    Attributes:
        weights: shape (n, d), each row summing to 1.
        coverage: whether the cells cover the simplex (exact).
        packing: the proof that no cover has fewer vectors than its bound.
    """

    strategy: str
    objectives: int
    epsilon: float
    delta: float
    weights: Array
    coverage: Coverage
    packing: Packing

    @property
    def size(self) -> int:
        """Number n of preference vectors."""
        return len(self.weights)

    @property
    def lower_bound(self) -> int:
        """Proven: no cover has fewer vectors than this."""
        return self.packing.bound

    def to_dict(self) -> DesignReport:
        """Give the design as plain lists, numbers and strings."""
        seen = self.coverage.counterexample
        return {
            "certificate": "cover",
            "strategy": self.strategy,
            "objectives": self.objectives,
            "epsilon": self.epsilon,
            "delta": self.delta,
            "size": self.size,
            "weights": self.weights.tolist(),
            "coverage": {
                "method": "exact",
                "covered": self.coverage.covered,
                "uncovered_fraction": self.coverage.uncovered_fraction,
                "counterexample": None if seen is None else list(seen),
            },
            "lower_bound": self.lower_bound,
            "packing": self.packing.points.tolist(),
            "packing_weights": self.packing.weights.tolist(),
        }


def design_grid(
    objectives: int,
    *,
    epsilon: float,
    delta: float,
    strategy: str,
    size: int | None = None,
    seed: int | np.random.Generator = 0,
    weights: Iterable[ArrayLike] | None = None,
    seconds_left: SecondsLeft = unlimited,
    on_cover: Callable[[int], None] = lambda size: None,
) -> Design:
    """Choose the preference vectors to train policies for.

    Args:
        delta: δ' of the cells, in [0, 1]; above 0 for ``palm`` and ``minimal``.
        strategy: ``random``, ``uniform``, ``palm``, ``minimal`` or ``weights``.
        size: how many vectors; needed by ``random`` and ``uniform``, an upper limit for ``palm`` and ``minimal``.
        seed: only ``random`` uses it.
        weights: the vectors themselves, shape (n, d); needed by ``weights`` and only by it.
        seconds_left: limit of the search of ``minimal``.
        on_cover: called with the size of each better cover that ``minimal`` finds.

    Raises:
        WeightsError: an argument is unknown, missing or out of range, or no cover of the size was found.
    """
    check_request(objectives, epsilon=epsilon, delta=delta, strategy=strategy, size=size, weights=weights)
    if strategy == PREDICTED:
        raise WeightsError(
            f"strategy={strategy!r}", rule="needs rollouts of the reference", remedy="use it in a build's configuration"
        )
    d = int(objectives)
    packing = best_packing(
        d,
        epsilon=epsilon,
        delta=delta,
        thorough=strategy == "minimal",
        seconds_left=share_of(seconds_left, BOUND_SHARE),
    )
    if weights is not None:
        rows = check_weight_rows(weights, d)
    elif strategy == "palm":
        rows = palm_grid(d, epsilon=epsilon, delta=delta)
    elif strategy == "minimal" and d == 2:
        rows = line_cover(epsilon=epsilon, delta=delta)
    elif strategy == "minimal":
        rows = minimal_grid(
            d,
            epsilon=epsilon,
            delta=delta,
            start=_palm_grid_if_found(d, epsilon, delta),
            enough=packing.bound,
            seconds_left=seconds_left,
            on_cover=on_cover,
        )
    else:
        assert size is not None  # by check_request
        rows = uniform_grid(d, size) if strategy == "uniform" else random_grid(d, size, seed=seed)
    if size is not None and len(rows) > size:
        raise WeightsError(
            f"size={size}",
            rule=f"the {strategy} grid for epsilon={epsilon}, delta={delta} needs {len(rows)} vectors",
            remedy=f"allow {len(rows)}, or raise epsilon or delta",
        )
    return Design(
        strategy=strategy,
        objectives=d,
        epsilon=float(epsilon),
        delta=float(delta),
        weights=rows,
        coverage=check_coverage(rows, epsilon=epsilon, delta=delta),
        packing=packing,
    )


def best_packing(
    objectives: int, *, epsilon: float, delta: float, thorough: bool, seconds_left: SecondsLeft
) -> Packing:
    """Find a packing: a proof that covers need a number of vectors.

    With ``thorough`` the search takes minutes if they help, otherwise seconds. The bound is the exact minimum for two
    objectives; above, the best that was found.
    """
    if objectives == 2 and delta > 0:
        return line_packing(epsilon=epsilon, delta=delta)
    simple = pack_preferences(objectives, epsilon=epsilon, delta=delta)
    if delta == 0 or objectives > (MAX_OBJECTIVES if thorough else 3):
        return simple
    rounds = ROUNDS if thorough else QUICK_ROUNDS
    weighted = weighted_packing(objectives, epsilon=epsilon, delta=delta, rounds=rounds, seconds_left=seconds_left)
    return max(simple, weighted, key=lambda packing: packing.bound)


def _palm_grid_if_found(objectives: int, epsilon: float, delta: float) -> Array | None:
    try:
        return palm_grid(objectives, epsilon=epsilon, delta=delta)
    except WeightsError:
        return None
