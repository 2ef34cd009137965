"""Worst cases of a portfolio against other policies: linear programs over the continuous simplex."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, linprog
from scipy.sparse import block_diag, csr_array

from palm.errors import SelectionError
from palm.geometry.arrays import Array

LP_TOLERANCES = (1e-10, 1e-9, 1e-7)
"""Feasibility tolerances to try in turn, on values in [0, 1]: value vectors that are equal up to about 1e-7 defeat the
strictest. Certificates do not rest on them."""
NUMERICAL_TROUBLE = 4
"""Status code of scipy.optimize.linprog."""
BLOCK_VARIABLES = 20_000
"""Requirements are batched into linear programs of at most about this many variables."""


@dataclass(frozen=True, eq=False)
class WorstCases:
    """Gaps of a portfolio to each of several policies.

    Attributes:
        gaps: the smallest gap for each, shape (k,), as the solver gives it.
        combinations: convex combinations of the portfolio that reach it, shape (k, s).
        weights: preferences at which it is needed, shape (k, d); NaN rows where the gap is 0.
    """

    gaps: Array
    combinations: Array
    weights: Array

    @property
    def worst_weights(self) -> Array:
        """The preference of the largest gap, shape (d,); the centroid when there is no gap at all."""
        weights = self.weights[int(np.argmax(self.gaps))]
        return np.full(len(weights), 1 / len(weights)) if np.isnan(weights).any() else weights


def worst_cases(members: Array, targets: Array, *, scales: Array | None = None, delta: float = 0.0) -> WorstCases:
    """Find the smallest g ≥ 0 with Σ_s λ_s a_s + g c_k ≥ a_k - δ in every coordinate, for each of k targets.

    The scales c_k, shape (k, d), are the a_k for the multiplicative gap and ones (None) for the additive one. A
    SelectionError says that no gap suffices, or that the solver fails.

    Source:
        Derived: by minimax the g that suffices for every v is the g for which one convex combination
        suffices, and the dual solution is the worst v. Exact up to the solver's tolerance; the programs
        are independent and solved together as blocks of one.
    """
    scales = np.ones_like(targets) if scales is None else scales
    step = max(1, BLOCK_VARIABLES // (len(members) + 1))
    parts = [
        _solve(members, targets[start : start + step], scales[start : start + step], delta)
        for start in range(0, len(targets), step)
    ]
    return WorstCases(
        gaps=np.concatenate([part.gaps for part in parts]),
        combinations=np.concatenate([part.combinations for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
    )


def _solve(members: Array, targets: Array, scales: Array, delta: float) -> WorstCases:
    (count, d), size = targets.shape, len(members)
    blocks = [-np.column_stack([members.T, scale]) for scale in scales]
    sums = block_diag([np.append(np.ones(size), 0.0)[None]] * count, format="csr")
    cost = np.tile(np.append(np.zeros(size), 1.0), count)
    result = _linear_program(
        cost,
        A_ub=csr_array(block_diag(blocks)),
        b_ub=(delta - targets).ravel(),
        A_eq=sums,
        b_eq=np.ones(count),
        bounds=(0, None),
    )
    solution = result.x.reshape(count, size + 1)
    lambdas = np.maximum(solution[:, :size], 0)
    duals = np.maximum(-result.ineqlin.marginals.reshape(count, d), 0)
    totals = duals.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = np.where((totals > 0) & (solution[:, size:] > 0), duals / totals, np.nan)
    return WorstCases(
        gaps=np.maximum(solution[:, size], 0),
        combinations=lambdas / lambdas.sum(axis=1, keepdims=True),
        weights=weights,
    )


def _linear_program(cost: Array, **constraints: Any) -> OptimizeResult:
    """Solve a linear program as precisely as the solver can; SelectionError if it has no solution."""
    for tolerance in LP_TOLERANCES:
        options = {"primal_feasibility_tolerance": tolerance, "dual_feasibility_tolerance": tolerance}
        result = linprog(cost, **constraints, method="highs", options=options)
        if result.status != NUMERICAL_TROUBLE:
            break
    if result.status != 0:
        raise SelectionError(
            "the linear program of the certificate",
            rule=f"has no solution: {result.message.split('(')[0].strip() or f'status {result.status}'}",
            remedy="allow a larger delta",
        )
    return result


@dataclass(frozen=True, eq=False)
class Lowest:
    """The preference that a portfolio serves worst in absolute terms.

    Attributes:
        value: min_v max_s a_s · v.
        weights: a preference that attains it, shape (d,).
        combination: a convex combination of the members that is at least the value in every coordinate, shape (s,).
    """

    value: float
    weights: Array
    combination: Array


def lowest_value(members: Array) -> Lowest:
    """Find where the best of a portfolio's value vectors, shape (s, d), is lowest.

    One linear program and its dual, exact up to the solver's tolerance.
    """
    size, d = members.shape
    result = _linear_program(
        np.append(np.zeros(d), 1.0),
        A_ub=np.column_stack([members, -np.ones(size)]),
        b_ub=np.zeros(size),
        A_eq=np.append(np.ones(d), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * d + [(None, None)],
    )
    weights = np.maximum(result.x[:d], 0)
    weights /= weights.sum()
    lambdas = np.maximum(-result.ineqlin.marginals, 0)
    return Lowest(value=float((members @ weights).max()), weights=weights, combination=lambdas / lambdas.sum())
