"""Exact coverage of the simplex by cells: boxes minus boxes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from palm.errors import WeightsError
from palm.geometry.arrays import Array, Booleans
from palm.geometry.preferences.cells import Boxes, cell_boxes, cell_excess
from palm.geometry.preferences.simplex import check_objectives, check_weight_rows

WIDTH_TOLERANCE = 1e-12
"""A piece thinner than this in one coordinate is a shared boundary, not a hole."""
VOLUME_ROUNDING = 1e-15
"""A hole's share of the simplex is never reported below this: inclusion-exclusion rounds."""
MAX_LEAF_CELLS = 96
"""Blocks that meet more cells than this are halved before subtraction."""
MIN_BLOCK_WIDTH = 1 / 64
"""Blocks narrower than this are not halved: cells that share a face would never be separated."""
MAX_HALVINGS = 20
"""Most times that pieces are halved in search of a point outside all cells."""
LARGEST_PIECES = 100
"""Most left-over pieces that are tried for a counterexample."""

Keep = Callable[[Boxes], Booleans]
"""Mask of the boxes of interest; the others are dropped early."""


@dataclass(frozen=True, eq=False)
class Coverage:
    """Coverage of the simplex by cells: exact, not from samples.

    Attributes:
        covered: whether every point of the simplex lies in a cell.
        uncovered_fraction: share of the simplex's volume that no cell holds; 0.0 when covered.
        counterexample: a point of the simplex that is strictly outside every cell; None when covered.
    """

    covered: bool
    uncovered_fraction: float
    counterexample: tuple[float, ...] | None


def check_coverage(weights: Iterable[ArrayLike], *, epsilon: float, delta: float) -> Coverage:
    """Decide exactly whether the cells of preference vectors cover the whole simplex.

    Args:
        weights: shape (k, d), rows on the simplex; d from 2 to 8.

    Returns:
        ``covered`` is False as soon as one left-over piece is thicker than WIDTH_TOLERANCE in every
        coordinate. The share is the sum of exact volumes of disjoint pieces (rounding: about 1e-15 a piece),
        rounded up to 1e-15. The counterexample was checked against every cell.

    Source:
        Derived: Lemma 3.2 (arXiv 2604.04144) makes a cell a box cut with the simplex, so subtracting boxes decides.
    """
    rows = check_weight_rows(weights)
    check_objectives(rows.shape[1])
    cells = cell_boxes(np.unique(rows, axis=0), epsilon=epsilon, delta=delta)
    nothing = np.empty((0, rows.shape[1]))
    fraction, largest = 0.0, _Pieces(Boxes(nothing, nothing), np.empty(0))
    for left in uncovered_boxes(cells):
        found = _Pieces(left, box_shares(left))
        fraction += float(found.shares.sum())
        largest = _largest(largest, found)
    if not len(largest.shares):
        return Coverage(covered=True, uncovered_fraction=0.0, counterexample=None)
    return Coverage(
        covered=False,
        uncovered_fraction=max(fraction, VOLUME_ROUNDING),
        counterexample=_point_outside(largest.boxes, rows, epsilon, delta),
    )


def _point_outside(boxes: Boxes, weights: Array, epsilon: float, delta: float) -> tuple[float, ...]:
    """Find a point of uncovered pieces that is strictly outside every cell, by the definition itself.

    The centre of the largest is, unless a cell too thin to be subtracted holds it; then others are tried, and halves.
    """
    for _ in range(MAX_HALVINGS):
        centres = box_centres(boxes)
        outside = (cell_excess(centres[:, None], weights[None], epsilon=epsilon, delta=delta) > 0).all(axis=1)
        if outside.any():
            return tuple(centres[outside.argmax()].tolist())
        boxes = _halved(boxes)
    raise WeightsError(
        f"epsilon={epsilon}, delta={delta}",
        rule="leave holes in which no point was found outside all of the thin cells",
        remedy="raise delta",
    )


def _halved(boxes: Boxes) -> Boxes:
    """Cut each piece in two across its widest side, and keep at most 100 of the halves."""
    axis = (boxes.highs - boxes.lows).argmax(axis=1)
    row = np.arange(len(axis))
    lower_highs, upper_lows = boxes.highs.copy(), boxes.lows.copy()
    lower_highs[row, axis] = upper_lows[row, axis] = (boxes.lows[row, axis] + boxes.highs[row, axis]) / 2
    lows, highs = _tightened(
        np.concatenate([boxes.lows, upper_lows]), np.concatenate([lower_highs, boxes.highs]), thinner=0.0
    )
    return Boxes(lows[:LARGEST_PIECES], highs[:LARGEST_PIECES])


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Boxes and their shares of the simplex."""

    boxes: Boxes
    shares: Array


def _largest(first: _Pieces, second: _Pieces) -> _Pieces:
    """Keep the largest of two groups of pieces."""
    shares = np.concatenate([first.shares, second.shares])
    order = np.argsort(-shares, kind="stable")[:LARGEST_PIECES]
    lows = np.concatenate([first.boxes.lows, second.boxes.lows])[order]
    highs = np.concatenate([first.boxes.highs, second.boxes.highs])[order]
    return _Pieces(Boxes(lows, highs), shares[order])


def uncovered_boxes(cells: Boxes, *, keep: Keep | None = None) -> Iterator[Boxes]:
    """Subtract cells from the simplex; pieces up to WIDTH_TOLERANCE thick are dropped, and those out of ``keep``.

    Yields:
        Groups of boxes, none empty: together they are disjoint, tightened to the simplex, and their cuts
        with the simplex are exactly what no cell holds (within ``keep``).
    """
    d = cells.lows.shape[1]
    stack = [(np.zeros((1, d)), np.ones((1, d)), cells.lows, cells.highs)]
    while stack:
        low, high, cell_lows, cell_highs = stack.pop()
        low, high = _tightened(low, high)
        if len(low) and keep is not None:
            kept = keep(Boxes(low, high))
            low, high = low[kept], high[kept]
        if not len(low):
            continue
        meets = _thick(np.maximum(low, cell_lows), np.minimum(high, cell_highs))
        cell_lows, cell_highs = cell_lows[meets], cell_highs[meets]
        if ((cell_lows <= low) & (high <= cell_highs)).all(axis=1).any():
            continue
        axis = int(np.argmax(high[0] - low[0]))
        if len(cell_lows) <= MAX_LEAF_CELLS or high[0, axis] - low[0, axis] < MIN_BLOCK_WIDTH:
            left = _subtract_all(low, high, cell_lows, cell_highs, keep)
            if len(left.lows):
                yield left
            continue
        middle = (high[0, axis] + low[0, axis]) / 2
        lower_high, upper_low = high.copy(), low.copy()
        lower_high[0, axis] = upper_low[0, axis] = middle
        stack.append((upper_low, high, cell_lows, cell_highs))
        stack.append((low, lower_high, cell_lows, cell_highs))


def _subtract_all(lows: Array, highs: Array, cell_lows: Array, cell_highs: Array, keep: Keep | None) -> Boxes:
    """Subtract cells one after the other, those with the largest overlap first."""
    overlap = np.minimum(highs[0], cell_highs) - np.maximum(lows[0], cell_lows)
    for number in np.argsort(-overlap.sum(axis=1), kind="stable"):
        lows, highs = _subtract(lows, highs, cell_lows[number], cell_highs[number])
        if keep is not None and len(lows):
            kept = keep(Boxes(lows, highs))
            lows, highs = lows[kept], highs[kept]
        if not len(lows):
            break
    return Boxes(lows, highs)


def _subtract(lows: Array, highs: Array, cell_low: Array, cell_high: Array) -> tuple[Array, Array]:
    """Cut one box out of many; the 2 d pieces of each stay disjoint."""
    inner_lows, inner_highs = np.maximum(lows, cell_low), np.minimum(highs, cell_high)
    hit = _thick(inner_lows, inner_highs)
    if not hit.any():
        return lows, highs
    d = lows.shape[1]
    axis = np.arange(d)
    done, now = axis[None, :] < axis[:, None], axis[None, :] == axis[:, None]
    low, high = lows[hit, None, :], highs[hit, None, :]
    inner_low, inner_high = inner_lows[hit, None, :], inner_highs[hit, None, :]
    piece_lows = np.where(done, inner_low, low)
    piece_highs = np.where(done, inner_high, high)
    below_highs = np.where(now, np.minimum(high, cell_low), piece_highs)
    above_lows = np.where(now, np.maximum(low, cell_high), piece_lows)
    cut_lows, cut_highs = _tightened(
        np.concatenate([piece_lows, above_lows]).reshape(-1, d),
        np.concatenate([below_highs, piece_highs]).reshape(-1, d),
    )
    return np.concatenate([lows[~hit], cut_lows]), np.concatenate([highs[~hit], cut_highs])


def _tightened(lows: Array, highs: Array, thinner: float = WIDTH_TOLERANCE) -> tuple[Array, Array]:
    """Shrink boxes to their cuts with the simplex and drop those without thickness."""
    slack = 1 - lows.sum(axis=1, keepdims=True)
    excess = highs.sum(axis=1, keepdims=True) - 1
    tight_lows, tight_highs = np.maximum(lows, highs - excess), np.minimum(highs, lows + slack)
    thick = (tight_highs - tight_lows > thinner).all(axis=1)
    return tight_lows[thick], tight_highs[thick]


def _thick(lows: Array, highs: Array) -> Booleans:
    """Say which boxes have a cut with the simplex that is thick in every coordinate."""
    widths = highs - lows
    slack = 1 - lows.sum(axis=1)
    excess = highs.sum(axis=1) - 1
    return (widths > WIDTH_TOLERANCE).all(axis=1) & (slack > WIDTH_TOLERANCE) & (excess > WIDTH_TOLERANCE)


def box_centres(boxes: Boxes) -> Array:
    """Find a point of the simplex inside each tightened box, at least 1/d of its width from every face."""
    widths = boxes.highs - boxes.lows
    share = (1 - boxes.lows.sum(axis=1)) / widths.sum(axis=1)
    return boxes.lows + share[:, None] * widths


def box_shares(boxes: Boxes) -> Array:
    """Compute the share of the simplex's volume in each of k boxes that are tightened to it, shape (k,).

    Exact up to rounding: scaling each box to its own corner simplex first keeps the cancellation of the alternating sum
    relative to the piece, not to the whole.

    Source:
        P(l ≤ V ≤ h) for V uniform on the simplex, by inclusion-exclusion over the upper faces.
    """
    d = boxes.lows.shape[1]
    size = 1 - boxes.lows.sum(axis=1)
    widths = (boxes.highs - boxes.lows) / size[:, None]
    total = np.zeros(len(size))
    for corner in range(2**d):
        chosen = [axis for axis in range(d) if corner >> axis & 1]
        rest = np.maximum(1 - widths[:, chosen].sum(axis=1), 0)
        total += (-1) ** len(chosen) * rest ** (d - 1)
    # Rounding may leave a thin piece slightly below zero.
    return np.maximum(total, 0) * size ** (d - 1)
