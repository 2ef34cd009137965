"""Faults of a certificate, with their place; and the checks of rows that must lie on the simplex."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palm.errors import VerificationError

Array = NDArray[np.float64]
Place = tuple[str | int, ...]
"""Keys and row numbers that lead to a value, e.g. ``("weights", 12)``."""
REMEDY = "make the certificate again: as it stands, it does not prove what it claims"


@dataclass(frozen=True)
class Verified:
    """The claims of a certificate after its check.

    Attributes:
        certificate: its kind, ``cover`` or ``portfolio``.
        proved: one sentence for each claim that was checked again.
        not_proved: one sentence for each claim that the file makes without a proof.
    """

    certificate: str
    proved: tuple[str, ...]
    not_proved: tuple[str, ...]


class Fault(VerificationError):
    """One place of a certificate that does not hold.

    Args:
        rule: what is wrong there.
        others: further places that the rule is about.
        remedy: what the user can do about it.
    """

    def __init__(self, place: Place, rule: str, *, others: Iterable[Place] = (), remedy: str = REMEDY):
        super().__init__(place_name(place), rule=rule, remedy=remedy)
        self.place = tuple(place)
        self.rule = rule
        self.others = tuple(others)
        self.remedy = remedy


def place_name(place: Place) -> str:
    """Write a place as a person would: ``proof.combinations[3]``."""
    name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return name.removeprefix(".") or "the whole"


def shown(vector: Iterable[float]) -> str:
    """Write a vector so that it fits in a message."""
    return "[" + ", ".join(f"{float(number):.12g}" for number in vector) + "]"


def check_rows(rows: Sequence[Sequence[float]], length: int, *, place: Place, tolerance: float) -> Array:
    """Check that every row is on the simplex, see ``check_row``, and give them as an array of shape (k, length)."""
    return np.array([check_row(row, length, place=(*place, at), tolerance=tolerance) for at, row in enumerate(rows)])


def check_row(row: Sequence[float], length: int, *, place: Place, tolerance: float) -> Array:
    """Check that a row has some length and is finite, not negative, and of sum 1 within a tolerance."""
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
