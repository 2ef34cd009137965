"""Gaps of policies to an affine bound on each of many cells: linear programs with a proof."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import block_diag, csr_array

from palm.errors import SelectionError
from palm.geometry.arrays import Array

SOLVER_TOLERANCE = 1e-9
"""Feasibility asked of the solver; the proof does not rest on it."""
SETTLED = 1e-9
"""A cell is settled once the proven and the attained gap are this close."""
MAX_ROUNDS = 100
"""Most times that policies are added to the programs; stopping early loosens the proof and does not break it."""
GAME_ENTRIES = 8_000_000
"""Cells are tabulated in blocks of at most about this many numbers."""
PROGRAM_CELLS = 1_000
"""Most cells in one linear program."""


@dataclass(frozen=True, eq=False)
class CellGap:
    """The largest gap over several cells.

    Attributes:
        proven: no point of any cell has a larger gap.
        attained: the gap at ``weights``; at most ``proven``, and close to it.
        weights: a point of the cells, shape (d,).
    """

    proven: float
    attained: float
    weights: Array


def worst_in_cells(values: Array, corners: Array, bounds: Array, *, scales: Array, delta: float) -> CellGap:
    """Find the largest (U(v) - δ - max_k a_k · v) / c(v), at least 0, over cells on which U and c are affine.

    Args:
        corners: corners w_j of each cell, shape (c, d, d), rows on the simplex.
        bounds: u_j, the values of U there, shape (c, d).
        scales: c_j > 0, the values of c there, shape (c, d): u_j for the multiplicative gap, 1 for the additive one.

    Source:
        Derived: g suffices on a cell if Σ_k μ_k a_k · w_j ≥ u_j - δ - g c_j at its corners for a convex
        combination μ. Few policies matter on a cell, so they are added as its worst point names them; cells
        whose proven gap is below one that is attained elsewhere are left alone.
    """
    step = max(1, GAME_ENTRIES // (values.size))
    best = CellGap(proven=0.0, attained=0.0, weights=corners[0].mean(axis=0))
    for start in range(0, len(corners), step):
        block = slice(start, start + step)
        games = np.einsum("nd,cjd->cnj", values, corners[block], optimize=True)
        found = _worst(games, corners[block], bounds[block] - delta, scales[block], floor=best.attained)
        best = CellGap(
            proven=max(best.proven, found.proven),
            attained=max(best.attained, found.attained),
            weights=found.weights if found.attained > best.attained else best.weights,
        )
    return best


def _worst(games: Array, corners: Array, targets: Array, scales: Array, *, floor: float) -> CellGap:
    """Solve the games of a block of cells; rows of ``games`` are policies, columns corners."""
    names = np.concatenate([games.argmax(axis=1), games.mean(axis=2).argmax(axis=1)[:, None]], axis=1)
    proven, attained = np.full(len(games), np.inf), np.full(len(games), -np.inf)
    points = np.full(targets.shape, 1 / targets.shape[1])
    active = np.arange(len(games))
    for _ in range(MAX_ROUNDS):
        chosen = np.take_along_axis(games[active], names[active][:, :, None], axis=1)
        mixed, shares = _solve(chosen, targets[active], scales[active])
        new = ((targets[active] - mixed) / scales[active]).max(axis=1)
        proven[active] = np.minimum(proven[active], new)
        worth = np.einsum("cnj,cj->cn", games[active], shares)
        reached = ((targets[active] * shares).sum(axis=1) - worth.max(axis=1)) / (scales[active] * shares).sum(axis=1)
        better = reached > attained[active]
        points[active[better]], attained[active[better]] = shares[better], reached[better]
        names = np.concatenate([names, names[:, :1]], axis=1)
        names[active, -1] = worth.argmax(axis=1)
        active = np.flatnonzero(proven > np.maximum(attained, max(floor, attained.max(), 0.0)) + SETTLED)
        if not len(active):
            break
    worst = int(np.argmax(attained))
    weights = points[worst] @ corners[worst]
    return CellGap(
        proven=float(max(proven.max(), 0.0)), attained=float(attained[worst]), weights=weights / weights.sum()
    )


def _solve(chosen: Array, targets: Array, scales: Array) -> tuple[Array, Array]:
    """Give for each cell the values at its corners of the best combination, and its worst point (shares of corners)."""
    blocks = [slice(start, start + PROGRAM_CELLS) for start in range(0, len(chosen), PROGRAM_CELLS)]
    parts = [_program(chosen[block], targets[block], scales[block]) for block in blocks]
    return np.concatenate([mixed for mixed, _ in parts]), np.concatenate([shares for _, shares in parts])


def _program(chosen: Array, targets: Array, scales: Array) -> tuple[Array, Array]:
    """Solve min g with Σ_k μ_k B_kj + g c_j ≥ t_j for every cell, as blocks of one linear program."""
    count, size, d = chosen.shape
    blocks = [-np.column_stack([table.T, scale]) for table, scale in zip(chosen, scales, strict=True)]
    result = linprog(
        np.tile(np.append(np.zeros(size), 1.0), count),
        A_ub=csr_array(block_diag(blocks)),
        b_ub=-targets.ravel(),
        A_eq=block_diag([np.append(np.ones(size), 0.0)[None]] * count, format="csr"),
        b_eq=np.ones(count),
        bounds=[*[(0, None)] * size, (None, None)] * count,
        method="highs",
        options={"primal_feasibility_tolerance": SOLVER_TOLERANCE, "dual_feasibility_tolerance": SOLVER_TOLERANCE},
    )
    if result.status != 0:
        raise SelectionError(
            f"the gaps of {count} cells",
            rule=f"the solver fails: {result.message.split('(')[0]}",
            remedy="leave out policies that are almost equal",
        )
    solution = result.x.reshape(count, size + 1)
    mixture = np.maximum(solution[:, :size], 0)
    mixture /= mixture.sum(axis=1, keepdims=True)
    duals = np.maximum(-result.ineqlin.marginals.reshape(count, d), 0)
    totals = duals.sum(axis=1, keepdims=True)
    shares = np.where(totals > 0, duals / np.where(totals > 0, totals, 1), 1 / d)
    return np.einsum("cs,csj->cj", mixture, chosen), shares
