"""Whether convex combinations prove a portfolio's worst-case gap: multiplication and comparison, no solver."""

import numpy as np

from palm.verification.fault import Fault, shown

COMBINATION_SUM_TOLERANCE = 1e-9
"""How far the sum of a combination or of the worst weights may be from 1."""

VALUE_TOLERANCE = 1e-8 + 1e-12
"""How far a combination may miss its requirement, on values in [0, 1]: what the certificate allows its solver's
rounding, and a little for the order of additions."""

TIGHTNESS_TOLERANCE = 2e-6
"""How much smaller the gap at the worst weights may be than the one claimed: twice what the certificate allows."""


def check_combinations(values, members, combinations, *, epsilon, delta, names, place):
    """Check that combinations of the members are at least (1 - ε) a_k - δ in every coordinate, for every policy k.

    Args:
        values: value vectors a_k, shape (n, d).
        members: indices of the portfolio's members, length s.
        combinations: shape (n, s), rows non-negative and summing to 1.
        epsilon: multiplicative part of the gap claimed, in [0, 1].
        delta: additive part of the gap claimed, at least 0.
        names: the policies' names, length n.
        place: where the combinations are in the certificate.

    Raises:
        Fault: one is not; it names the first.

    Source:
        Derived: for any v, the best member is worth at least what the combination is worth, so it is within
        (ε, δ) of policy k at every v.
    """
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


def check_corners(values, members, *, epsilon, delta):
    """Check the gap where only one objective counts, relative to the value there: it may be small against rounding.

    Args:
        values: value vectors a_k, shape (n, d).
        members: indices of the portfolio's members, length s.
        epsilon: multiplicative part of the gap claimed, in [0, 1].
        delta: additive part of the gap claimed, at least 0.

    Raises:
        Fault: it is larger at a corner.
    """
    best, served = values.max(axis=0), values[members].max(axis=0)
    missing = (1 - epsilon) * best - delta - served
    axis = int(np.argmax(missing - TIGHTNESS_TOLERANCE * np.abs(best)))
    if missing[axis] > TIGHTNESS_TOLERANCE * abs(best[axis]):
        raise Fault(
            ("epsilon",),
            f"claims {epsilon:.9g}, but where only objective {axis} counts the members reach {served[axis]:.9g} of "
            f"{best[axis]:.9g}",
        )


def check_epsilon_is_needed(values, members, weights, *, epsilon, delta):
    """Check that no noticeably smaller ε would do at given preference weights.

    Args:
        values: value vectors a_k, shape (n, d).
        members: indices of the portfolio's members, length s.
        weights: the worst weights claimed, shape (d,), on the simplex.
        epsilon: multiplicative part of the gap claimed, in [0, 1].
        delta: additive part of the gap, granted.

    Raises:
        Fault: one would.
    """
    worth = values @ weights
    best, served = float(worth.max()), float(worth[members].max())
    missing = best - delta - served
    needed = missing / best if best > 0 and missing > 0 else 0.0
    if epsilon - needed > TIGHTNESS_TOLERANCE:
        _refuse("epsilon", epsilon, needed, weights, "worst_weights")


def check_delta_is_needed(values, members, weights, *, epsilon, delta, claim="delta", witness="worst_weights"):
    """Check that no noticeably smaller δ would do at given preference weights.

    Args:
        values: value vectors a_k, shape (n, d).
        members: indices of the portfolio's members, length s.
        weights: the worst weights claimed, shape (d,), on the simplex.
        epsilon: multiplicative part of the gap, granted.
        delta: additive part of the gap claimed, at least 0.
        claim: key of the certificate that holds delta.
        witness: key of the certificate that holds the weights.

    Raises:
        Fault: one would.
    """
    worth = values @ weights
    needed = max((1 - epsilon) * float(worth.max()) - float(worth[members].max()), 0.0)
    if delta - needed > TIGHTNESS_TOLERANCE:
        _refuse(claim, delta, needed, weights, witness)


def _refuse(claim, claimed, needed, weights, witness):
    raise Fault(
        (claim,),
        f"claims {claimed:.9g}, but at its worst weights {shown(weights)} only {needed:.9g} is needed",
        others=[(witness,)],
    )
