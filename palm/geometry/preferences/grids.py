"""Grids of preferences: in one dimension as in the paper's Figure 2, and in d dimensions by strategy."""

import numpy as np

from palm.errors import WeightsError
from palm.geometry.arrays import Array
from palm.geometry.preferences.cells import check_accuracy
from palm.geometry.preferences.coverage import check_coverage
from palm.geometry.preferences.levels import cells_end_to_end, find_levels, pivot_grid
from palm.geometry.preferences.simplex import check_objectives, check_size, divisions_for, lattice, spread_points

END_TOLERANCE = 1e-12
"""Cells that end this close to 1 reach it: rounding must not add a point."""
MAX_LINE_POINTS = 1_000_000
"""Most points that a one-dimensional grid may have."""


def additive_grid(*, delta: float) -> Array:
    """Make the one-dimensional additive grid, equal steps of 2 δ': increasing centres in [0, 1].

    Source:
        arXiv 2604.04144, Figure 2 (d = 2): the cells [a - δ', a + δ'] cover [0, 1].
    """
    return combined_grid(epsilon=0.0, delta=delta)


def multiplicative_grid(*, epsilon: float, smallest: float) -> Array:
    """Make the one-dimensional multiplicative grid, steps by the ratio (1 + ε') / (1 - ε').

    It covers from ``smallest``, in (0, 1]: no such grid reaches 0. WeightsError if a million points do not reach 1.

    Source:
        arXiv 2604.04144, Figure 2 (d = 2): the cells [a / (1 + ε'), a / (1 - ε')] cover [smallest, 1].
    """
    check_accuracy(epsilon, 0)
    if epsilon <= 0:
        raise WeightsError(
            f"epsilon={epsilon}", rule="a multiplicative grid needs one above 0", remedy="use the additive grid"
        )
    if not 0 < smallest <= 1:
        raise WeightsError(
            f"smallest={smallest}", rule="must be in (0, 1]", remedy="use the combined grid to start at 0"
        )
    return _line(epsilon, 0.0, smallest)


def combined_grid(*, epsilon: float, delta: float) -> Array:
    """Make the one-dimensional combined grid: additive near 0, geometric above.

    Source:
        arXiv 2604.04144, Figure 2 (d = 2): a_k = c_{k-1}(1 + ε') + δ', c_k = (a_k + δ') / (1 - ε'), c_0 = 0; the cells
        [(a - δ') / (1 + ε'), (a + δ') / (1 - ε')] cover [0, 1].
    """
    check_accuracy(epsilon, delta)
    if delta <= 0:
        raise WeightsError(
            f"delta={delta}", rule="must be above 0 to cover from 0", remedy="use the multiplicative grid"
        )
    return _line(epsilon, delta, 0.0)


def _line(epsilon: float, delta: float, end: float) -> Array:
    """Place cells end to end up to 1; the last centre would often lie beyond 1 and is then 1."""
    centres, cells = list[float](), cells_end_to_end(epsilon, delta, end)
    while end < 1 - END_TOLERANCE:
        if len(centres) >= MAX_LINE_POINTS:
            raise WeightsError(
                f"epsilon={epsilon}, delta={delta}",
                rule=f"the grid has more than {MAX_LINE_POINTS} points",
                remedy="raise epsilon or delta",
            )
        centre, end = next(cells)
        centres.append(min(centre, 1.0))
    return np.array(centres)


def random_grid(objectives: int, size: int, *, seed: int | np.random.Generator) -> Array:
    """Draw preference vectors uniformly from the simplex, shape (size, d).

    Source:
        The random baseline of arXiv 2604.04144: Dirichlet(1, …, 1).
    """
    d, count = check_objectives(objectives), check_size(size)
    if isinstance(seed, int) and seed < 0:
        raise WeightsError(f"seed={seed}", rule="must not be negative", remedy="choose another one")
    return np.random.default_rng(seed).dirichlet(np.ones(d), size=count)


def uniform_grid(objectives: int, size: int) -> Array:
    """Spread exactly ``size`` preference vectors evenly.

    Returns:
        The simplex lattice when it has that many points for some H >= 1, otherwise a farthest-point
        selection from a fine lattice (``simplex.spread_points``), shape (size, d).

    Source:
        The uniform baseline of arXiv 2604.04144.
    """
    d, count = check_objectives(objectives), check_size(size)
    grid = lattice(d, divisions_for(d, count))
    return grid if len(grid) == count else spread_points(d, count)


def palm_grid(objectives: int, *, epsilon: float, delta: float) -> Array:
    """Make the pivot grid that covers the simplex, with the fewest levels that the search finds, for δ' above 0.

    Returns:
        Shape (d · L^(d-1), d), certified by ``check_coverage`` to cover.

    Raises:
        WeightsError: no cover of at most 10 000 vectors was found.

    Source:
        Derived from arXiv 2604.04144, Figures 1 and 2. Coverage is exact.
    """
    d = check_objectives(objectives)
    check_accuracy(epsilon, delta)
    grid = pivot_grid(d, find_levels(d, epsilon=epsilon, delta=delta))
    _, first = np.unique(grid, axis=0, return_index=True)
    grid = grid[np.sort(first)]
    coverage = check_coverage(grid, epsilon=epsilon, delta=delta)
    if not coverage.covered:
        raise WeightsError(
            f"epsilon={epsilon}, delta={delta}",
            rule=f"the grid that was found leaves {coverage.uncovered_fraction:.3g} uncovered",
            remedy="raise epsilon or delta slightly",
        )
    return grid
