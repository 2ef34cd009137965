"""Covers of few vectors (strategy `minimal`): set cover over orbits with counterexample-guided constraints."""

from collections.abc import Callable

import numpy as np

from palm.errors import WeightsError
from palm.geometry.arrays import Array, Booleans, Integers
from palm.geometry.preferences.cells import in_cell
from palm.geometry.preferences.cover_program import solve_cover
from palm.geometry.preferences.simplex import MAX_SIZE
from palm.geometry.preferences.symmetric import orbit, orbit_sizes, ordered_holes, ordered_lattice
from palm.geometry.preferences.time_budget import SecondsLeft

FIRST_PREFERENCES = 800
"""Size of the ordered lattice of preferences that the set cover starts from."""
CANDIDATES = (500, 3_000, 10_000)
"""Sizes of the ordered lattices of vectors to choose from, one after the other: finer ones need fewer vectors."""
HOLES_PER_ROUND = 300
"""Most uncovered preferences added after each set cover."""


def minimal_grid(
    objectives: int,
    *,
    epsilon: float,
    delta: float,
    start: Array | None,
    enough: int,
    seconds_left: SecondsLeft,
    on_cover: Callable[[int], None],
) -> Array:
    """Search a cover of the simplex with as few preference vectors as possible, for d of 3 to 8 and δ' above 0.

    The search starts from the cover ``start``, calls ``on_cover`` with the size of each better one, and ends when one
    is as small as ``enough``, a proven lower bound. WeightsError if no cover of at most 10 000 vectors was found.

    Returns:
        A cover by the exact check, shape (m, d), symmetric in the objectives unless it is ``start``. The
        same every time, if time did not run out.

    Source:
        Derived. In each round a mixed-integer program picks the orbits of smallest total size that serve every
        listed preference; what exact subtraction finds uncovered joins the list.
    """
    best = start
    listed = ordered_lattice(objectives, FIRST_PREFERENCES, epsilon=epsilon, delta=delta)
    for limit in CANDIDATES:
        candidates = ordered_lattice(objectives, limit, epsilon=epsilon, delta=delta)
        sizes = orbit_sizes(candidates)
        serves = _serves(listed, candidates, epsilon, delta)
        optimal = False
        while not optimal and (best is None or len(best) > enough) and seconds_left() > 0:
            below = MAX_SIZE + 1 if best is None else len(best)
            # Presolving these programs takes longer than solving them.
            answer = solve_cover(serves, sizes, most=below - 1, minimise=True, seconds=seconds_left(), presolve=False)
            if answer.picks is None:
                break
            grid = np.concatenate([orbit(weights) for weights in candidates[answer.picks]])
            holes = ordered_holes(grid, epsilon=epsilon, delta=delta, limit=HOLES_PER_ROUND)
            served = _serves(holes, candidates, epsilon, delta)
            optimal = answer.settled and not len(holes)
            cover = _patched(grid, holes, served, candidates, sizes, epsilon=epsilon, delta=delta, below=below)
            if cover is not None:
                best = cover
                on_cover(len(best))
            listed = np.concatenate([listed, holes])
            serves = np.concatenate([serves, served])
    if best is None:
        raise WeightsError(
            f"objectives={objectives}, epsilon={epsilon}, delta={delta}",
            rule=f"no cover of at most {MAX_SIZE} vectors was found",
            remedy="raise the time limit, epsilon or delta, or use fewer objectives",
        )
    return best


def _serves(preferences: Array, candidates: Array, epsilon: float, delta: float) -> Booleans:
    """Say which candidates' orbits serve which preferences, both in decreasing order.

    By exchange, no other order of a candidate's entries serves a preference that the decreasing one does not.
    """
    rows = [in_cell(point, candidates, epsilon=epsilon, delta=delta) for point in preferences]
    return np.array(rows, dtype=bool).reshape(-1, len(candidates))


def _patched(
    grid: Array,
    holes: Array,
    served: Booleans,
    candidates: Array,
    sizes: Integers,
    *,
    epsilon: float,
    delta: float,
    below: int,
) -> Array | None:
    """Add orbits until nothing is uncovered; None if that takes ``below`` vectors or more."""
    while len(holes):
        gains = served.sum(axis=0) / sizes
        grid = np.concatenate([grid, orbit(candidates[np.argmax(gains)] if gains.any() else holes[0])])
        if len(grid) >= below:
            return None
        holes = ordered_holes(grid, epsilon=epsilon, delta=delta, limit=HOLES_PER_ROUND)
        served = _serves(holes, candidates, epsilon, delta)
    return grid
