"""Set covers as mixed-integer programs."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from palm.errors import SelectionError
from palm.geometry.arrays import Array, Booleans, Integers

INFEASIBLE, OUT_OF_TIME = 2, 1
"""Status codes of scipy.optimize.milp."""


@dataclass(frozen=True, eq=False)
class CoverAnswer:
    """The solver's answer to a set cover.

    Attributes:
        picks: columns that cover every row, increasing; None if none were found.
        settled: whether it is proven that they are the cheapest, or that there are none; False if time ran out.
    """

    picks: Integers | None
    settled: bool


def solve_cover(
    covers: Booleans, sizes: Array | Integers, *, most: float, minimise: bool, seconds: float, presolve: bool
) -> CoverAnswer:
    """Find columns of a bounded total size that cover every row, shape (m, n); SelectionError if the solver fails.

    Without ``minimise`` any cover will do. At 0 seconds or less the answer is that time ran out. ``presolve`` lets the
    solver simplify the program first, which ignores the limit.
    """
    if seconds <= 0:  # which the solver would take for no limit
        return CoverAnswer(picks=None, settled=False)
    answer = milp(
        sizes if minimise else np.zeros(len(sizes)),
        integrality=np.ones(len(sizes)),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(csr_array(covers.astype(float)), lb=1),
            LinearConstraint(np.asarray(sizes)[None], ub=most),
        ],
        options={"time_limit": seconds, "mip_rel_gap": 0.0, "presolve": presolve},
    )
    if answer.x is None and answer.status not in (INFEASIBLE, OUT_OF_TIME):
        raise SelectionError(
            f"a set cover of {len(covers)} rows",
            rule=f"the solver fails: {answer.message}",
            remedy="use another method",
        )
    picks = None if answer.x is None else np.flatnonzero(answer.x > 0.5)
    return CoverAnswer(picks=picks, settled=answer.status != OUT_OF_TIME)
