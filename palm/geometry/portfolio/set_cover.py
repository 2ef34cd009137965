"""Set covers of a fixed size: reductions, fast exchanges, and an exact mixed-integer program."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from palm.geometry.arrays import Array, Booleans, Integers
from palm.geometry.preferences.cover_program import solve_cover


@dataclass(frozen=True)
class Cover:
    """The answer of a set cover: columns that cover every row, None if none were found, or the proof that none do."""

    picks: tuple[int, ...] | None
    impossible: bool


def cover(covers: Booleans, size: int, *, time_limit_seconds: float) -> Cover:
    """Decide whether ``size`` columns can cover every row of a table, shape (m, n).

    The question stays unanswered after the time limit, at once if it is 0 or less. The mixed-integer program is exact:
    whole columns against whole rows leave nothing to round. SelectionError if the solver fails.
    """
    rows = minimal_rows(covers)
    if not rows.any(axis=1).all():
        return Cover(picks=None, impossible=True)
    used = maximal_columns(rows)
    answer = solve_cover(
        rows[:, used], np.ones(len(used)), most=size, minimise=False, seconds=time_limit_seconds, presolve=True
    )
    if answer.picks is None:
        return Cover(picks=None, impossible=answer.settled)
    return Cover(picks=tuple(used[answer.picks].tolist()), impossible=False)


def minimal_rows(covers: Booleans) -> Booleans:
    """Drop rows that are covered whenever another row is: those with a superset of its columns."""
    rows = np.unique(covers, axis=0)
    rows = rows[np.argsort(rows.sum(axis=1), kind="stable")]
    counts = rows.astype(np.float32) @ rows.T.astype(np.float32)
    superset = counts == rows.sum(axis=1)[:, None]
    return rows[~np.triu(superset, 1).any(axis=0)]


def maximal_columns(covers: Booleans) -> Integers:
    """Find the columns worth using: of those that cover the same rows the first, and none that covers fewer."""
    columns = covers.T.astype(np.float32)
    sizes = columns.sum(axis=1)
    subset = columns @ columns.T == sizes[:, None]  # subset[i, j]: column j covers all that column i covers
    earlier = np.tri(len(columns), k=-1, dtype=bool)
    dropped = subset & ((sizes[:, None] < sizes[None, :]) | earlier)
    return np.flatnonzero(~dropped.any(axis=1) & (sizes > 0))


def exchange(table: Array, picks: Sequence[int], size: int) -> tuple[int, ...]:
    """Swap one of ``size`` picks at a time for the column that lowers the highest minimum most, until no swap does.

    Missing picks are added first. Local search for the minimax of minima, as for the k-centre problem; deterministic.
    """
    chosen = list(picks)
    while len(chosen) < size:
        chosen.append(_best_column(table, chosen)[1])
    highest = table[:, chosen].min(axis=1).max()
    while True:
        swaps = [_best_column(table, chosen[:place] + chosen[place + 1 :]) for place in range(size)]
        place = int(np.argmin([height for height, _ in swaps]))
        if not swaps[place][0] < highest:
            return tuple(chosen)
        highest, chosen[place] = swaps[place]


def _best_column(table: Array, chosen: list[int]) -> tuple[float, int]:
    """Find the column that, added to those chosen, gives the lowest highest minimum: (height, column)."""
    rest = table[:, chosen].min(axis=1, initial=np.inf)
    heights = np.minimum(rest[:, None], table).max(axis=0)
    column = int(np.argmin(heights))
    return float(heights[column]), column
