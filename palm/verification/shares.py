"""Rows of shares: non-negative numbers that sum to 1."""

import math

import numpy as np

from palm.verification.fault import Fault


def check_shares(rows, length, *, place, tolerance):
    """Check that every row is a point of the simplex.

    Args:
        rows: lists of numbers, at least one.
        length: how many numbers each row must have.
        place: where the rows are in the certificate.
        tolerance: how far the sum of a row may be from 1.

    Returns:
        The rows as a float64 array of shape (k, length).

    Raises:
        Fault: a row is of another length, not finite, negative, or of another sum.
    """
    for number, row in enumerate(rows):
        check_share_row(row, length, place=(*place, number), tolerance=tolerance)
    return np.array(rows, dtype=np.float64)


def check_share_row(row, length, *, place, tolerance):
    """Check that one row is a point of the simplex.

    Args:
        row: numbers.
        length: how many there must be.
        place: where the row is in the certificate.
        tolerance: how far its sum may be from 1.

    Returns:
        The row as a float64 array of shape (length,).

    Raises:
        Fault: it is of another length, not finite, negative, or of another sum.
    """
    if len(row) != length:
        raise Fault(place, f"must have {length} numbers, has {len(row)}")
    if not all(math.isfinite(number) for number in row):
        raise Fault(place, "must be finite")
    if min(row) < 0:
        raise Fault(place, f"must not be negative, holds {min(row):.12g}")
    total = math.fsum(row)
    if abs(total - 1) > tolerance:
        raise Fault(place, f"must sum to 1, sums to {total:.12g}")
    return np.array(row, dtype=np.float64)
