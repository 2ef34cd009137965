"""The claims of a portfolio, checked one after the other."""

from statistics import mode

import numpy as np

from palm.verification.fault import Fault, shown
from palm.verification.portfolio import (
    COMBINATION_SUM_TOLERANCE,
    TIGHTNESS_TOLERANCE,
    VALUE_TOLERANCE,
    check_combinations,
    check_corners,
    check_delta_is_needed,
    check_epsilon_is_needed,
)
from palm.verification.schema import PortfolioFile
from palm.verification.shares import check_share_row, check_shares
from palm.verification.verified import Verified


def verify_portfolio(claim: PortfolioFile) -> Verified:
    """Check that a portfolio is within (ε, δ) of every policy for every preference, and that less would not do.

    Args:
        claim: content of the certificate.

    Returns:
        What it proves.

    Raises:
        Fault: a claim does not hold.
    """
    members, values = _members(claim), _value_vectors(claim)
    gap = {"epsilon": claim.epsilon, "delta": claim.delta}
    _check_proof(claim, values, members, key="combinations", **gap)
    check_corners(values, members, **gap)
    proved = [
        f"for all preference weights of {values.shape[1]} objectives, a portfolio of {len(members)} has "
        f"J ≥ (1 - ε) J* - δ (within {VALUE_TOLERANCE:.0e}) with ε={claim.epsilon:.9g}, δ={claim.delta:.9g} and J* the "
        f"best of {len(values)} policies"
    ]
    worst = _worst_weights(claim.worst_weights, values, "worst_weights")
    check_is_needed = check_epsilon_is_needed if claim.minimised == "epsilon" else check_delta_is_needed
    check_is_needed(values, members, worst, **gap)
    if gap[claim.minimised] > TIGHTNESS_TOLERANCE:
        proved.append(f"no {claim.minimised} smaller by {TIGHTNESS_TOLERANCE:g} would do at {shown(worst)}")
    not_proved = _check_bounds(claim)
    if claim.additive_gap is not None and claim.proof.additive_combinations is not None:
        _check_proof(claim, values, members, key="additive_combinations", epsilon=0.0, delta=claim.additive_gap)
        proved.append(f"for all of them it also has J ≥ J* - {claim.additive_gap:.9g}")
        if claim.additive_worst_weights is not None:
            worst = _worst_weights(claim.additive_worst_weights, values, "additive_worst_weights")
            witness = {"claim": "additive_gap", "witness": "additive_worst_weights"}
            check_delta_is_needed(values, members, worst, epsilon=0.0, delta=claim.additive_gap, **witness)
    elif claim.additive_gap is not None:
        not_proved.append(f"the additive gap {claim.additive_gap:.9g}: the file holds no combinations for it")
    return Verified(certificate=claim.certificate, proved=tuple(proved), not_proved=tuple(not_proved))


def _members(claim):
    """Find the rows of the portfolio's members."""
    rows = {name: row for row, name in reversed(list(enumerate(claim.proof.policies)))}
    for number, name in enumerate(claim.proof.policies):
        if rows[name] != number:
            raise Fault(("proof", "policies", number), f"names {name!r} a second time")
    for number, name in enumerate(claim.portfolio):
        if name not in rows:
            raise Fault(("portfolio", number), f"names {name!r}, which is none of the policies")
        if name in claim.portfolio[:number]:
            raise Fault(("portfolio", number), f"names {name!r} a second time")
    if len(claim.portfolio) > claim.size:
        raise Fault(("size",), f"claims at most {claim.size} members, but the portfolio has {len(claim.portfolio)}")
    return [rows[name] for name in claim.portfolio]


def _value_vectors(claim):
    rows = claim.proof.values
    _check_rows(("proof", "values"), rows, len(claim.proof.policies))
    objectives = mode(len(row) for row in rows)
    for number, row in enumerate(rows):
        if len(row) != objectives:
            raise Fault(("proof", "values", number), f"must have {objectives} numbers, has {len(row)}")
    return np.array(rows, dtype=np.float64)


def _check_rows(place, rows, policies):
    if len(rows) != policies:
        raise Fault(place, f"must be {policies} rows, one for each policy, are {len(rows)}")


def _check_proof(claim, values, members, *, key, epsilon, delta):
    """Check convex combinations against the gap that they are to prove."""
    place, rows = ("proof", key), getattr(claim.proof, key)
    _check_rows(place, rows, len(values))
    combinations = check_shares(rows, len(members), place=place, tolerance=COMBINATION_SUM_TOLERANCE)
    check_combinations(
        values, members, combinations, epsilon=epsilon, delta=delta, names=claim.proof.policies, place=place
    )


def _worst_weights(row, values, key):
    return check_share_row(row, values.shape[1], place=(key,), tolerance=COMBINATION_SUM_TOLERANCE)


def _check_bounds(claim):
    """Tell the solver's lower bounds, which no file can prove; they must not contradict what was found."""
    told = []
    for key in ("epsilon", "delta"):
        bound, found = getattr(claim, f"{key}_bound"), getattr(claim, key)
        if bound is not None and bound > found:
            raise Fault((f"{key}_bound",), f"claims that {key} is at least {bound:.9g}, but {key} is {found:.9g}")
        if bound and key == claim.minimised:
            told.append(
                f"{key}_bound={bound:.9g}, that no portfolio of {claim.size} has a smaller {key}: the solver's word"
            )
    return told
