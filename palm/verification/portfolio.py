"""Portfolios: the claims of a certificate, whose convex combinations prove the worst-case gap without a solver."""

from collections.abc import Sequence
from statistics import mode

import numpy as np

from palm.verification.fault import Array, Fault, Place, Verified, check_row, check_rows, shown
from palm.verification.schema import PortfolioFile

COMBINATION_SUM_TOLERANCE = 1e-9
"""Largest difference from 1 of the sum of a combination or of the worst weights."""
VALUE_TOLERANCE = 1e-8 + 1e-12
"""Shortfall allowed for a combination, on values in [0, 1]: the certificate's tolerance for its solver, and a little
for the order of additions."""
TIGHTNESS_TOLERANCE = 2e-6
"""Largest excess of the claimed gap over the one at the worst weights: twice the certificate's tolerance."""


def verify_portfolio(claim: PortfolioFile) -> Verified:
    """Check that a portfolio is within (ε, δ) of every policy for every preference, and that less would not do."""
    members, values = _members(claim), _value_vectors(claim)
    epsilon, delta, proof = claim.epsilon, claim.delta, claim.proof
    place: Place = ("proof", "combinations")
    _check_proof(values, members, proof.combinations, epsilon=epsilon, delta=delta, names=proof.policies, place=place)
    check_corners(values, members, epsilon=epsilon, delta=delta)
    proved = [
        f"for all preference weights of {values.shape[1]} objectives, a portfolio of {len(members)} has "
        f"J ≥ (1 - ε) J* - δ (within {VALUE_TOLERANCE:.0e}) with ε={epsilon:.9g}, δ={delta:.9g} and J* the "
        f"best of {len(values)} policies"
    ]
    worst = _worst_weights(claim.worst_weights, values, "worst_weights")
    check_is_needed = check_epsilon_is_needed if claim.minimised == "epsilon" else check_delta_is_needed
    check_is_needed(values, members, worst, epsilon=epsilon, delta=delta)
    if getattr(claim, claim.minimised) > TIGHTNESS_TOLERANCE:
        proved.append(f"no {claim.minimised} smaller by {TIGHTNESS_TOLERANCE:g} would do at {shown(worst)}")
    not_proved = _check_bounds(claim)
    gap, rows, place = claim.additive_gap, proof.additive_combinations, ("proof", "additive_combinations")
    if gap is not None and rows is not None:
        _check_proof(values, members, rows, epsilon=0.0, delta=gap, names=proof.policies, place=place)
        proved.append(f"for all of them it also has J ≥ J* - {gap:.9g}")
        if claim.additive_worst_weights is not None:
            key = "additive_worst_weights"
            worst = _worst_weights(claim.additive_worst_weights, values, key)
            check_delta_is_needed(values, members, worst, epsilon=0.0, delta=gap, claim="additive_gap", witness=key)
    elif gap is not None:
        not_proved.append(f"the additive gap {gap:.9g}: the file holds no combinations for it")
    return Verified(certificate=claim.certificate, proved=tuple(proved), not_proved=tuple(not_proved))


def _members(claim: PortfolioFile) -> list[int]:
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


def _value_vectors(claim: PortfolioFile) -> Array:
    rows = claim.proof.values
    _check_count(("proof", "values"), rows, len(claim.proof.policies))
    objectives = mode(len(row) for row in rows)
    for number, row in enumerate(rows):
        if len(row) != objectives:
            raise Fault(("proof", "values", number), f"must have {objectives} numbers, has {len(row)}")
    return np.array(rows, dtype=np.float64)


def _check_count(place: Place, rows: Sequence[Sequence[float]], policies: int) -> None:
    if len(rows) != policies:
        raise Fault(place, f"must be {policies} rows, one for each policy, are {len(rows)}")


def _worst_weights(row: Sequence[float], values: Array, key: str) -> Array:
    return check_row(row, values.shape[1], place=(key,), tolerance=COMBINATION_SUM_TOLERANCE)


def _check_bounds(claim: PortfolioFile) -> list[str]:
    """List the solver's lower bounds, which no file can prove; they must not contradict what was found."""
    unproved = []
    for key in ("epsilon", "delta"):
        bound, found = getattr(claim, f"{key}_bound"), getattr(claim, key)
        if bound is not None and bound > found:
            raise Fault((f"{key}_bound",), f"claims that {key} is at least {bound:.9g}, but {key} is {found:.9g}")
        if bound and key == claim.minimised:
            unproved.append(
                f"{key}_bound={bound:.9g}, that no portfolio of {claim.size} has a smaller {key}: the solver's word"
            )
    return unproved


def _check_proof(
    values: Array,
    members: list[int],
    rows: Sequence[Sequence[float]],
    *,
    epsilon: float,
    delta: float,
    names: Sequence[str],
    place: Place,
) -> None:
    """Check that convex combinations of the members are at least (1 - ε) a_k - δ in every coordinate, for each k.

    Source:
        Derived: for any v, the best member is worth at least what the combination is worth, so it is within
        (ε, δ) of policy k at every v.
    """
    _check_count(place, rows, len(values))
    combinations = check_rows(rows, len(members), place=place, tolerance=COMBINATION_SUM_TOLERANCE)
    reached, required = combinations @ values[members], (1 - epsilon) * values - delta
    missing = required - reached
    failing = np.flatnonzero(missing.max(axis=1) > VALUE_TOLERANCE)
    if not failing.size:
        return
    row = int(failing[0])
    axis = int(np.argmax(missing[row]))
    raise Fault(
        (*place, row),
        f"must reach {required[row, axis]:.9g} in coordinate {axis} to be within epsilon={epsilon:.9g} and "
        f"delta={delta:.9g} of policy {names[row]!r}, reaches {reached[row, axis]:.9g}",
    )


def check_corners(values: Array, members: list[int], *, epsilon: float, delta: float) -> None:
    """Check the gap where only one objective counts, relative to the value there: it may be small against rounding."""
    best, served = values.max(axis=0), values[members].max(axis=0)
    missing = (1 - epsilon) * best - delta - served
    axis = int(np.argmax(missing - TIGHTNESS_TOLERANCE * np.abs(best)))
    if missing[axis] > TIGHTNESS_TOLERANCE * abs(best[axis]):
        raise Fault(
            ("epsilon",),
            f"claims {epsilon:.9g}, but where only objective {axis} counts the members reach {served[axis]:.9g} of "
            f"{best[axis]:.9g}",
        )


def check_epsilon_is_needed(values: Array, members: list[int], weights: Array, *, epsilon: float, delta: float) -> None:
    """Check that no noticeably smaller ε would do at the worst weights claimed, shape (d,)."""
    worth = values @ weights
    best, served = float(worth.max()), float(worth[members].max())
    missing = best - delta - served
    needed = missing / best if best > 0 and missing > 0 else 0.0
    if epsilon - needed > TIGHTNESS_TOLERANCE:
        _refuse("epsilon", epsilon, needed, weights, "worst_weights")


def check_delta_is_needed(
    values: Array,
    members: list[int],
    weights: Array,
    *,
    epsilon: float,
    delta: float,
    claim: str = "delta",
    witness: str = "worst_weights",
) -> None:
    """Check that no noticeably smaller δ would do at the worst weights claimed, shape (d,).

    Args:
        delta: additive part of the gap claimed, at least 0.
        claim: key of the certificate that holds delta.
        witness: key of the certificate that holds the weights.
    """
    worth = values @ weights
    needed = max((1 - epsilon) * float(worth.max()) - float(worth[members].max()), 0.0)
    if delta - needed > TIGHTNESS_TOLERANCE:
        _refuse(claim, delta, needed, weights, witness)


def _refuse(claim: str, claimed: float, needed: float, weights: Array, witness: str) -> None:
    raise Fault(
        (claim,),
        f"claims {claimed:.9g}, but at its worst weights {shown(weights)} only {needed:.9g} is needed",
        others=[(witness,)],
    )
