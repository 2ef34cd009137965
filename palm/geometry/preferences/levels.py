"""Levels of the pivot grid: found by search, accepted only when exact subtraction leaves no hole."""

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement, islice, product

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from palm.errors import WeightsError
from palm.geometry.arrays import Array, Integers
from palm.geometry.preferences.cells import cell_excess, check_corners_reachable
from palm.geometry.preferences.packing import pack_preferences
from palm.geometry.preferences.simplex import MAX_SIZE, finest_lattice
from palm.geometry.preferences.symmetric import ordered_holes

MAX_LEVELS = 400
"""Most levels that the search considers."""
MAX_FITTED_LEVELS = 12
"""More levels than this are taken from the starting grids as they are: fitting them would take minutes."""
EXCESS_TOLERANCE = 1e-10
"""A level count is given up when some preference stays this far outside every cell."""
SAMPLE_LIMIT = 2000
"""Size of the lattice that the search starts from."""
HOLES_PER_ROUND = 60
"""Uncovered points added to the sample after each exact check."""
SLACK_WANTED = 0.2
"""The fit stops once the sample is inside the cells by this share of δ'."""
MAX_ROUNDS = 10
EVALUATIONS_PER_LEVEL = 100
RESTARTS = 3
SMALLEST_START = 1e-3


def pivot_size(objectives: int, levels: int) -> int:
    """Count the vectors of a pivot grid: d · L^(d-1)."""
    return objectives * levels ** (objectives - 1)


def pivot_grid(objectives: int, levels: Sequence[float] | Array) -> Array:
    """Make the pivot grid: one entry is 1, every other one a level in (0, 1], then divided by the sum.

    Returns:
        Shape (d · L^(d-1), d); with a level of exactly 1 some rows are equal.

    Source:
        Derived: the combined grid of arXiv 2604.04144, Figure 2, in d dimensions; 48 vectors at Figure 1.
    """
    rows = [
        (*others[:pivot], 1.0, *others[pivot:])
        for pivot in range(objectives)
        for others in product(levels, repeat=objectives - 1)
    ]
    grid = np.array(rows)
    return grid / grid.sum(axis=1, keepdims=True)


def find_levels(objectives: int, *, epsilon: float, delta: float) -> Array:
    """Search the fewest levels, increasing in (0, 1], whose pivot grid covers the simplex, for δ' above 0.

    Returns:
        That they cover is exact; that fewer levels would not is the search's finding, not a proof.

    Source:
        Nelder and Mead (1965) on a sample that grows by the holes which exact subtraction finds.
    """
    check_corners_reachable(delta, "palm")
    sample = _first_sample(objectives)
    high = _first_count(sample, epsilon=epsilon, delta=delta)
    best = None
    while best is None and high <= MAX_LEVELS and pivot_size(objectives, high) <= MAX_SIZE:
        best, sample = _search(sample, high, epsilon=epsilon, delta=delta)
        high += best is None
    # Fewer vectors than a packing has points cannot cover, so those counts need no search.
    needed = pack_preferences(objectives, epsilon=epsilon, delta=delta).bound
    low = max(count for count in range(MAX_LEVELS) if pivot_size(objectives, count) < needed)
    while best is not None and high <= MAX_FITTED_LEVELS and high - low > 1:
        middle = (low + high) // 2
        found, sample = _search(sample, middle, epsilon=epsilon, delta=delta)
        low, high, best = (middle, high, best) if found is None else (low, middle, found)
    if best is not None:
        return best
    raise WeightsError(
        f"objectives={objectives}, epsilon={epsilon}, delta={delta}",
        rule=f"strategy palm found no cover of at most {MAX_SIZE} vectors",
        remedy="raise epsilon or delta, use fewer objectives, or choose strategy uniform with a size",
    )


def expected_pivot_size(objectives: int, *, epsilon: float, delta: float) -> int:
    """Estimate within a tenth of a second the size of the palm grid, for δ' above 0.

    Returns:
        Size of the grid that `find_levels` starts its search from. The search mostly ends with fewer vectors; it ends
        with more only where that grid has a hole that the sample does not show.
    """
    return pivot_size(objectives, _first_count(_first_sample(objectives), epsilon=epsilon, delta=delta))


def _first_sample(objectives: int) -> Array:
    sample = finest_lattice(objectives, SAMPLE_LIMIT)
    # The grid is symmetric, so preferences in decreasing order stand for all of them.
    return sample[(np.diff(sample, axis=1) <= 0).all(axis=1)]


def _first_count(sample: Array, *, epsilon: float, delta: float) -> int:
    """Find the fewest levels with which some starting levels already cover the sample."""
    for count in range(1, MAX_LEVELS + 1):
        for gaps in _starts(count, epsilon=epsilon, delta=delta):
            if _worst_excess(sample, gaps, epsilon=epsilon, delta=delta) <= EXCESS_TOLERANCE:
                return count
        if pivot_size(sample.shape[1], count + 1) > MAX_SIZE:
            break
    return count


def _starts(count: int, *, epsilon: float, delta: float) -> Iterator[Array]:
    """Make starting levels, as logarithmic gaps with the top one first.

    They are a combined grid on the weights [0, 1/2], one on the levels [0, 1], and equal ratios above δ'.
    """
    weights = _stretched(count, 0.5, epsilon=epsilon, delta=delta)
    levels = _stretched(count, 1.0, epsilon=epsilon, delta=delta)
    ratios = np.full(count, np.log(1 / min(max(delta, SMALLEST_START), 0.5)) / count)
    ratios[0] /= 2
    yield -np.diff(np.log([*(weights / (1 - weights)), 1.0]))[::-1]
    yield -np.diff(np.log([*levels, 1.0]))[::-1]
    yield ratios


def _stretched(count: int, reach: float, *, epsilon: float, delta: float) -> Array:
    """Scale ε' and δ' together until ``count`` cells of a combined grid just cover [0, reach]."""
    low, high = 0.0, (1 - 1e-6) / max(epsilon, delta)
    for _ in range(60):
        stretch = (low + high) / 2
        end = _combined(count, epsilon * stretch, delta * stretch)[1]
        low, high = (stretch, high) if end < reach else (low, stretch)
    return np.minimum(_combined(count, epsilon * high, delta * high)[0], reach)


def _combined(count: int, epsilon: float, delta: float) -> tuple[list[float], float]:
    """Compute the first centres of a combined grid on [0, 1] and where their cells end."""
    cells = list(islice(cells_end_to_end(epsilon, delta), count))
    return [centre for centre, _ in cells], cells[-1][1]


def cells_end_to_end(epsilon: float, delta: float, end: float = 0.0) -> Iterator[tuple[float, float]]:
    """Place the cells of a one-dimensional grid without gaps, see ``grids.combined_grid``: centre and end of each."""
    while True:
        centre = end * (1 + epsilon) + delta
        end = (centre + delta) / (1 - epsilon)
        yield centre, end


def _worst_excess(sample: Array, gaps: Array, *, epsilon: float, delta: float) -> float:
    """Measure how far the worst point of the sample is outside its nearest cell."""
    rows = _ordered_rows(_ordered_choices(sample.shape[1], len(gaps)), _levels(gaps))
    return float(cell_excess(sample[:, None], rows[None], epsilon=epsilon, delta=delta).min(axis=1).max())


def _search(sample: Array, count: int, *, epsilon: float, delta: float) -> tuple[Array | None, Array]:
    """Look for ``count`` levels that cover, from each start in turn; also gives the sample with the holes found."""
    for gaps in _starts(count, epsilon=epsilon, delta=delta):
        for _ in range(MAX_ROUNDS):
            gaps, worst = _fit(sample, gaps, epsilon=epsilon, delta=delta)
            if worst > EXCESS_TOLERANCE:
                break
            levels = _levels(gaps)
            grid = pivot_grid(sample.shape[1], levels)
            holes = ordered_holes(grid, epsilon=epsilon, delta=delta, limit=HOLES_PER_ROUND)
            if not len(holes):
                return levels, sample
            sample = np.concatenate([sample, holes])
    return None, sample


def _fit(sample: Array, gaps: Array, *, epsilon: float, delta: float) -> tuple[Array, float]:
    """Move levels so that the sample lies inside the cells, with some slack; also gives the worst excess."""

    choices = _ordered_choices(sample.shape[1], len(gaps))
    points = sample.T[:, :, None]
    allowed = epsilon * points + delta

    def worst_excess(logs: Array) -> float:
        rows = _ordered_rows(choices, _levels(logs)).T[:, None, :]
        return float((np.abs(rows - points) - allowed).max(axis=0).min(axis=1).max())

    def stop_when_inside(intermediate_result: OptimizeResult) -> None:
        if intermediate_result.fun < -SLACK_WANTED * delta:
            raise StopIteration

    worst = worst_excess(gaps)
    # With two objectives the first start is the optimal chain of cells on [0, 1/2] itself.
    for _ in range(RESTARTS if sample.shape[1] > 2 and len(gaps) <= MAX_FITTED_LEVELS else 0):
        fit = minimize(
            worst_excess,
            gaps,
            method="Nelder-Mead",
            callback=stop_when_inside,
            options={"maxfev": EVALUATIONS_PER_LEVEL * len(gaps), "xatol": 1e-6, "fatol": 1e-9},
        )
        gaps, gain, worst = np.abs(fit.x), worst - fit.fun, fit.fun
        if worst < -SLACK_WANTED * delta or gain < EXCESS_TOLERANCE:
            break
    return gaps, worst


def _levels(gaps: Array) -> Array:
    """Turn logarithmic gaps, the top one first, into increasing levels in (0, 1]."""
    return np.exp(-np.cumsum(np.abs(gaps)))[::-1]


def _ordered_choices(objectives: int, count: int) -> Integers:
    """List the choices of d - 1 out of ``count`` levels in decreasing order, as indices."""
    return np.array(list(combinations_with_replacement(range(count - 1, -1, -1), objectives - 1)))


def _ordered_rows(choices: Integers, levels: Array) -> Array:
    """Make the rows of the pivot grid that are in decreasing order.

    By exchange, no other order of the same entries is nearer to a preference in decreasing order.
    """
    rows = np.hstack([np.ones((len(choices), 1)), levels[choices]])
    return rows / rows.sum(axis=1, keepdims=True)
