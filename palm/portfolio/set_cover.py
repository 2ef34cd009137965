"""Set covers of a fixed size: reductions, exchanges that are fast, a mixed-integer program that is exact."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from palm.errors import SelectionError

INFEASIBLE, OUT_OF_TIME = 2, 1
"""Status codes of scipy.optimize.milp."""


@dataclass(frozen=True)
class Cover:
    """The answer of a set cover.

    Attributes:
        picks: columns that cover every row; None if none were found.
        impossible: whether it is proven that there are none.
    """

    picks: tuple | None
    impossible: bool


def cover(covers, size, *, time_limit_seconds):
    """Ask whether ``size`` columns can cover every row.

    Args:
        covers: boolean, shape (m, n).
        size: the most columns allowed.
        time_limit_seconds: after this the question stays unanswered; at once if it is 0 or less.

    Returns:
        Cover.

    Raises:
        SelectionError: the solver fails.

    Source:
        Mixed-integer program, exact: whole columns against whole rows leave nothing to round.
    """
    rows = minimal_rows(covers)
    if not rows.any(axis=1).all():
        return Cover(picks=None, impossible=True)
    if time_limit_seconds <= 0:  # which the solver would take for no limit
        return Cover(picks=None, impossible=False)
    used = maximal_columns(rows)
    answer = milp(
        np.zeros(len(used)),
        integrality=np.ones(len(used)),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(csr_array(rows[:, used].astype(float)), lb=1),
            LinearConstraint(np.ones((1, len(used))), ub=size),
        ],
        options={"time_limit": time_limit_seconds},
    )
    if answer.status == INFEASIBLE:
        return Cover(picks=None, impossible=True)
    if answer.x is None and answer.status == OUT_OF_TIME:
        return Cover(picks=None, impossible=False)
    if answer.x is None:
        raise SelectionError(f"size={size}", rule=f"the set cover failed: {answer.message}", remedy="use greedy")
    return Cover(picks=tuple(used[answer.x > 0.5].tolist()), impossible=False)


def minimal_rows(covers):
    """Drop rows that are covered whenever another row is: those with a superset of its columns."""
    rows = np.unique(covers, axis=0)
    rows = rows[np.argsort(rows.sum(axis=1), kind="stable")]
    counts = rows.astype(np.float32) @ rows.T.astype(np.float32)
    superset = counts == rows.sum(axis=1)[:, None]
    return rows[~np.triu(superset, 1).any(axis=0)]


def maximal_columns(covers):
    """Find the columns worth using: of those that cover the same rows the first, and none that covers fewer.

    Args:
        covers: boolean, shape (m, n).

    Returns:
        Indices, increasing.
    """
    columns = covers.T.astype(np.float32)
    sizes = columns.sum(axis=1)
    subset = columns @ columns.T == sizes[:, None]  # subset[i, j]: column j covers all that column i covers
    earlier = np.tri(len(columns), k=-1, dtype=bool)
    dropped = subset & ((sizes[:, None] < sizes[None, :]) | earlier)
    return np.flatnonzero(~dropped.any(axis=1) & (sizes > 0))


def exchange(table, picks, size):
    """Swap one pick at a time for the column that lowers the highest minimum most, until no swap lowers it.

    Args:
        table: what column n leaves open on row m, shape (m, n).
        picks: the columns to start from; places that are left are filled first.
        size: how many columns to use, at most n.

    Returns:
        Tuple of picks.

    Source:
        Local search for the minimax of minima, as for the k-centre problem; deterministic.
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


def _best_column(table, chosen):
    """Find the column that, added to those chosen, gives the lowest highest minimum: (height, column)."""
    rest = table[:, chosen].min(axis=1, initial=np.inf)
    heights = np.minimum(rest[:, None], table).max(axis=0)
    column = int(np.argmin(heights))
    return heights[column], column
