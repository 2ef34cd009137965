"""The certificate for a granted ε: the smallest δ."""

from collections.abc import Iterable
from dataclasses import dataclass

from numpy.typing import ArrayLike

from palm.errors import SelectionError
from palm.geometry.arrays import Array
from palm.geometry.portfolio.certificate import PortfolioCertificate, check_portfolio, check_value_vectors, rounded_up
from palm.geometry.portfolio.worst_case import worst_cases


def check_epsilon(epsilon: float) -> None:
    """Check that a multiplicative tolerance is in [0, 1]; SelectionError if it is not."""
    if not 0 <= epsilon <= 1:
        raise SelectionError(f"epsilon={epsilon}", rule="must be in [0, 1]", remedy="use 0 for none")


def smallest_delta(value_vectors: ArrayLike, portfolio: Iterable[int], *, epsilon: float) -> PortfolioCertificate:
    """Certify the smallest δ with which a portfolio is an (ε, δ)-approximation for every preference.

    Returns:
        Its delta is computed from the combinations and rounded up, not taken from the solver; it is needed at
        ``worst_weights``. Unlike ε it always exists, also where J* ≤ 0.

    Source:
        Definition 3.2 of arXiv 2604.04144. Derived, by minimax: δ suffices for every v iff for each policy k some
        convex combination of the members' value vectors is at least (1 - ε) a_k - δ in every coordinate.
    """
    values = check_value_vectors(value_vectors)
    members = check_portfolio(portfolio, len(values))
    check_epsilon(epsilon)
    chosen = values[list(members)]
    needed = _additive(chosen, (1 - epsilon) * values)
    additive = needed if epsilon == 0 else _additive(chosen, values)
    weights = needed.weights if needed.gap > 0 else additive.weights
    return PortfolioCertificate(
        epsilon=float(epsilon),
        delta=needed.gap,
        worst_weights=weights,
        additive_gap=additive.gap,
        additive_worst_weights=additive.weights,
        portfolio=members,
        combinations=needed.combinations,
        additive_combinations=additive.combinations,
    )


@dataclass(frozen=True, eq=False)
class _Additive:
    """The largest additive gap to some targets, rounded up, where it is needed, and its proof."""

    gap: float
    weights: Array
    combinations: Array


def _additive(members: Array, targets: Array) -> _Additive:
    worst = worst_cases(members, targets)
    gap = float(rounded_up((targets - worst.combinations @ members).max()))
    return _Additive(gap=gap, weights=worst.worst_weights, combinations=worst.combinations)
