"""Exact coverage check against Monte-Carlo with a million points, on the same grids.

Monte-Carlo can only ever say "no hole seen"; the exact check proves that there is none or shows a point in one.
"""

import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

from palm.preferences.coverage import check_coverage
from palm.preferences.design import design_grid

POINTS = 1_000_000
CASES = [
    (3, 0.4, 0.0125, "palm", None),
    (3, 0.4, 0.0125, "uniform", 48),
    (3, 0.4, 0.0125, "random", 48),
    (4, 0.4, 0.05, "palm", None),
]


def monte_carlo(weights: np.ndarray, *, epsilon: float, delta: float, seed: int = 0) -> float:
    """Share of sampled preferences that no cell holds.

    Args:
        weights: shape (n, d).
        epsilon: ε' of the cells.
        delta: δ' of the cells.
        seed: seed of the points.

    Returns:
        The estimated uncovered share.
    """
    points = np.random.default_rng(seed).dirichlet(np.ones(weights.shape[1]), size=POINTS)
    held = np.zeros(POINTS, dtype=bool)
    for vector in weights:
        held |= (np.abs(vector - points) <= epsilon * points + delta).all(axis=1)
    return float(1 - held.mean())


def timed(function: Callable[[], object]) -> tuple[object, float]:
    """A function's result and its best wall time of three, in seconds."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def main() -> None:
    """Print the table."""
    table = Table(title=f"Coverage: exact against Monte-Carlo with {POINTS:,} points (best of 3)")
    for name in ("d", "strategy", "vectors", "exact: uncovered", "s", "Monte-Carlo: uncovered", "s", "ratio of times"):
        table.add_column(name, justify="right")
    for d, epsilon, delta, strategy, size in CASES:
        weights = design_grid(d, epsilon=epsilon, delta=delta, strategy=strategy, size=size).weights
        exact, exact_seconds = timed(lambda w=weights, e=epsilon, a=delta: check_coverage(w, epsilon=e, delta=a))
        sampled, sampled_seconds = timed(lambda w=weights, e=epsilon, a=delta: monte_carlo(w, epsilon=e, delta=a))
        table.add_row(
            str(d),
            strategy,
            str(len(weights)),
            f"{exact.uncovered_fraction:.6f}",
            f"{exact_seconds:.4f}",
            f"{sampled:.6f}",
            f"{sampled_seconds:.2f}",
            f"{sampled_seconds / exact_seconds:.0f}",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
