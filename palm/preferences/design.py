"""A grid of preferences by strategy, with its exact coverage and a bound on how small it could be."""

from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from palm.errors import WeightsError
from palm.preferences.cells import check_accuracy
from palm.preferences.coverage import Coverage, check_coverage
from palm.preferences.grids import palm_grid, random_grid, uniform_grid
from palm.preferences.packing import cover_lower_bound
from palm.preferences.simplex import check_objectives, check_size

STRATEGIES = ("random", "uniform", "palm")


@dataclass(frozen=True, eq=False)
class Design:
    """A grid of preference vectors and what is known of it.

    Attributes:
        strategy: one of ``STRATEGIES``.
        objectives: d.
        epsilon: multiplicative tolerance ε' of the cells.
        delta: additive tolerance δ' of the cells.
        size: number n of preference vectors.
        weights: shape (n, d), each row summing to 1.
        coverage: whether the cells cover the simplex (exact).
        lower_bound: proven: no cover has fewer vectors than this.
    """

    strategy: str
    objectives: int
    epsilon: float
    delta: float
    size: int
    weights: np.ndarray
    coverage: Coverage
    lower_bound: int | None

    def to_dict(self):
        """Give the design as plain lists, numbers and strings."""
        seen = self.coverage.counterexample
        return {
            "strategy": self.strategy,
            "objectives": self.objectives,
            "epsilon": self.epsilon,
            "delta": self.delta,
            "size": self.size,
            "weights": self.weights.tolist(),
            "coverage": {
                "method": self.coverage.method,
                "covered": self.coverage.covered,
                "uncovered_fraction": self.coverage.uncovered_fraction,
                "counterexample": None if seen is None else list(seen),
            },
            "lower_bound": self.lower_bound,
        }


def design_grid(objectives, *, epsilon, delta, strategy, size=None, seed=0):
    """Choose the preference vectors to train policies for.

    Args:
        objectives: d, 2 to 8.
        epsilon: multiplicative tolerance ε' of the cells, in [0, 1).
        delta: additive tolerance δ' of the cells, in [0, 1]; above 0 for ``palm``.
        strategy: ``random``, ``uniform`` or ``palm``.
        size: how many vectors; needed by ``random`` and ``uniform``, an upper limit for ``palm``.
        seed: an int or a ``numpy.random.Generator``; only ``random`` uses it.

    Returns:
        Design, with exact coverage and a proven lower bound on the size of any cover.

    Raises:
        WeightsError: an argument is unknown, missing or out of range, or ``palm`` finds no cover.
    """
    d = check_objectives(objectives)
    check_accuracy(epsilon, delta)
    if strategy not in STRATEGIES:
        near = get_close_matches(str(strategy), STRATEGIES, n=1, cutoff=0.4)
        raise WeightsError(
            f"strategy={strategy!r}",
            rule=f"must be one of {', '.join(STRATEGIES)}",
            remedy=f"did you mean {near[0]!r}?" if near else "choose one of them",
        )
    if size is not None:
        check_size(size)
    elif strategy != "palm":
        raise WeightsError(
            f"strategy={strategy!r}", rule="needs a size", remedy="say how many preference vectors are wanted"
        )
    if strategy == "palm":
        weights = palm_grid(d, epsilon=epsilon, delta=delta, size=size)
    elif strategy == "uniform":
        weights = uniform_grid(d, size)
    else:
        weights = random_grid(d, size, seed=seed)
    return Design(
        strategy=strategy,
        objectives=d,
        epsilon=float(epsilon),
        delta=float(delta),
        size=len(weights),
        weights=weights,
        coverage=check_coverage(weights, epsilon=epsilon, delta=delta),
        lower_bound=cover_lower_bound(d, epsilon=epsilon, delta=delta),
    )
