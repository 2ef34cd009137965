"""The claims of a cover, checked one after the other."""

import math

import numpy as np

from palm.verification.cover import (
    COUNTEREXAMPLE_SUM_TOLERANCE,
    SHARED_BOUNDARY,
    WEIGHT_SUM_TOLERANCE,
    check_counterexample,
    check_cover,
)
from palm.verification.fault import Fault, shown
from palm.verification.load import LOAD_TOLERANCE, check_loads
from palm.verification.packing import PACKING_SUM_TOLERANCE, check_packing
from palm.verification.schema import CoverFile
from palm.verification.shares import check_share_row, check_shares
from palm.verification.verified import Verified


def verify_cover(claim: CoverFile) -> Verified:
    """Check that the cells cover the simplex, or leave the hole that is claimed, and that no fewer could do.

    Args:
        claim: content of the certificate.

    Returns:
        What it proves.

    Raises:
        Fault: a claim does not hold.
    """
    d, accuracy = claim.objectives, {"epsilon": claim.epsilon, "delta": claim.delta}
    cells = f"preference weights of {d} objectives (ε'={claim.epsilon:g}, δ'={claim.delta:g})"
    weights = check_shares(claim.weights, d, place=("weights",), tolerance=WEIGHT_SUM_TOLERANCE)
    _check_count(("size",), claim.size, len(weights), "vectors")
    not_proved = []
    if claim.coverage.covered:
        _check_nothing_left(claim)
        check_cover(weights, **accuracy)
        proved = [f"{claim.size} cells cover all {cells}, up to slivers thinner than {SHARED_BOUNDARY:.0e}"]
    else:
        point = _counterexample(claim)
        check_counterexample(point, weights, **accuracy)
        proved = [f"{claim.size} cells do NOT cover all {cells}: none holds {shown(point)}"]
        not_proved = [f"that {claim.coverage.uncovered_fraction:.6g} of the simplex is uncovered"]
    if claim.lower_bound is not None or claim.packing is not None:
        packing = _check_lower_bound(claim)
        proved.append(f"no cover has fewer than {claim.lower_bound} vectors ({packing} of {len(claim.packing)})")
    return Verified(certificate=claim.certificate, proved=tuple(proved), not_proved=tuple(not_proved))


def _check_count(place, claimed, counted, things):
    if claimed != counted:
        raise Fault(place, f"claims {claimed}, but the file holds {counted} {things}")


def _check_nothing_left(claim):
    """A file that claims a cover must not speak of a hole."""
    if claim.coverage.uncovered_fraction != 0:
        raise Fault(("coverage", "uncovered_fraction"), "must be 0 where everything is covered")
    if claim.coverage.counterexample is not None:
        raise Fault(("coverage", "counterexample"), "must be null where everything is covered")


def _counterexample(claim):
    place = ("coverage", "counterexample")
    if claim.coverage.counterexample is None:
        raise Fault(place, "must be a preference that no cell holds where covered is false")
    return check_share_row(
        claim.coverage.counterexample, claim.objectives, place=place, tolerance=COUNTEREXAMPLE_SUM_TOLERANCE
    )


def _check_lower_bound(claim):
    """Check the packing, and that its total weight is above the claimed bound less 1; tell its kind."""
    if claim.packing is None:
        raise Fault(("lower_bound",), f"claims {claim.lower_bound}, but the file holds no packing that proves it")
    if claim.lower_bound is None:
        raise Fault(("packing",), "proves a lower bound, but the file claims none")
    points = check_shares(claim.packing, claim.objectives, place=("packing",), tolerance=PACKING_SUM_TOLERANCE)
    shares = np.ones(len(points)) if claim.packing_weights is None else np.array(claim.packing_weights)
    if len(shares) != len(points):
        raise Fault(("packing_weights",), f"must be {len(points)} numbers, one for each preference, are {len(shares)}")
    total = math.fsum(shares)
    # Some vector is always needed, even if the weights prove nothing.
    if claim.lower_bound > 1 and claim.lower_bound - 1 >= total / (1 + LOAD_TOLERANCE):
        raise Fault(("lower_bound",), f"claims {claim.lower_bound}, but the packing has a total weight of {total:.9g}")
    if (shares == 1).all():
        check_packing(claim.packing, epsilon=claim.epsilon, delta=claim.delta)
        return "packing"
    check_loads(points, shares, epsilon=claim.epsilon, delta=claim.delta)
    return "weighted packing"
