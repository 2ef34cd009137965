"""Selection of a portfolio: exactly, or greedily as the paper does, always with a certificate."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike

from palm.errors import SelectionError
from palm.geometry.arrays import Array, Integers
from palm.geometry.portfolio.certificate import (
    VALUE_TOLERANCE,
    PortfolioCertificate,
    check_portfolio,
    check_value_vectors,
)
from palm.geometry.portfolio.exact import Proven, best_portfolio
from palm.geometry.portfolio.goal import goal_of
from palm.geometry.portfolio.greedy import dense_preferences, greedy_cover
from palm.geometry.portfolio.usage import diversity, usage
from palm.geometry.portfolio.values import ValueTable
from palm.geometry.portfolio.worst_case import worst_cases
from palm.geometry.preferences.request import check_choice
from palm.geometry.preferences.time_budget import SecondsLeft, unlimited

METHODS = ("exact", "greedy")


@dataclass(frozen=True, eq=False)
class Selection:
    """A portfolio and its certificate.

    Attributes:
        method: ``exact`` or ``greedy``.
        minimised: ``epsilon`` or ``delta``; the other one was granted.
        indices: the members, increasing.
        bound: proven: no portfolio of this size has less of what was minimised. Greedy proves nothing: 0.0.
    """

    method: str
    minimised: str
    indices: tuple[int, ...]
    certificate: PortfolioCertificate
    bound: float

    @property
    def epsilon_bound(self) -> float:
        """Proven: no portfolio of this size has a smaller epsilon; 0.0 where delta was minimised."""
        return self.bound if self.minimised == "epsilon" else 0.0

    @property
    def delta_bound(self) -> float:
        """Proven: no portfolio of this size has a smaller delta; 0.0 where epsilon was minimised."""
        return self.bound if self.minimised == "delta" else 0.0

    @property
    def epsilon(self) -> float:
        """The multiplicative part of the certified worst-case gap."""
        return self.certificate.epsilon

    @property
    def delta(self) -> float:
        """The additive part of the certified worst-case gap."""
        return self.certificate.delta

    @property
    def worst_weights(self) -> Array:
        """A preference at which epsilon and delta are needed, shape (d,)."""
        return self.certificate.worst_weights


def select(
    value_vectors: ArrayLike,
    size: int,
    *,
    method: str = "exact",
    epsilon: float | None = None,
    delta: float = 0.0,
    candidates: Iterable[int] | None = None,
    floor: Array | None = None,
    seconds_left: SecondsLeft = unlimited,
) -> Selection:
    """Choose ``size`` policies that serve every preference best.

    Args:
        value_vectors: a_k of all policies to compete with, shape (n, d).
        size: number of members K, at least 1; with as many as there are candidates all of them are taken.
        method: ``exact`` (proven optimal unless time runs out) or ``greedy`` (the paper's set cover).
        epsilon: ε granted, in [0, 1], to find the smallest δ; None to find the smallest ε.
        delta: δ granted, at least 0, where ε is minimised.
        candidates: indices of the policies that may be members, all different; None for all.
        floor: value vectors b_k, shape (k, d): only portfolios count whose best value is at least max_k b_k·v for every
            v, e.g. those of a portfolio that is replaced, less an allowed loss. Only ``exact`` searches for one.
        seconds_left: limit of the exact method, which then ends with what is proven.

    Returns:
        Members beyond those that decide the gap are the ones that raise the mean best value most. Exact is never worse
        than greedy.

    Raises:
        SelectionError: an argument is out of range, or no portfolio of this size has an epsilon up to 1 and reaches the
            floor.

    Source:
        Greedy: the pruning of arXiv 2604.04144. Exact: derived, see ``exact.best_portfolio``. Both certified.
    """
    values = check_value_vectors(value_vectors)
    count = _check_size(size)
    check_choice("method", method, METHODS, SelectionError)
    goal = goal_of(epsilon, delta)
    allowed = np.array(check_portfolio(range(len(values)) if candidates is None else candidates, len(values)))
    bound = 0.0
    if count >= len(allowed):
        members = tuple(allowed.tolist())
    else:
        goal.check(values)
        picks = greedy_cover(values, dense_preferences(values.shape[1]), count, goal=goal, candidates=allowed)
        members = _fill(values, picks, count, allowed)
        if method == "exact":
            proven = best_portfolio(
                values, count, start=members, goal=goal, candidates=allowed, floor=floor, seconds_left=seconds_left
            )
            members, bound = _fill(values, _found(proven, count, delta), count, allowed), proven.bound
    if floor is not None:
        _check_floor(values[list(members)], floor, size)
    certificate = goal.certify(values, members)
    return Selection(
        method=method,
        minimised=goal.minimised,
        indices=members,
        certificate=certificate,
        bound=min(bound, getattr(certificate, goal.minimised)),
    )


def _check_floor(members: Array, floor: Array, size: int) -> None:
    """Check that a portfolio reaches a floor for every preference."""
    short = worst_cases(members, floor).gaps.max()
    if short > 2 * VALUE_TOLERANCE:
        raise SelectionError(
            f"size={size}",
            rule=f"a portfolio of this size misses what is asked for some preference by {short:.4g}",
            remedy="allow a larger size, or lower the floor",
        )


def _found(proven: Proven, size: int, delta: float) -> tuple[int, ...]:
    """Give the members of a portfolio that was searched for; SelectionError if there is none."""
    if not np.isfinite(proven.gap):
        raise SelectionError(
            f"size={size}, delta={delta}",
            rule="no portfolio of this size was found whose gap is at most 1 for every preference",
            remedy="allow a delta or a larger size",
        )
    return proven.indices


class ProofReport(TypedDict):
    """The proof of a portfolio's certificate, in plain values: one row for each policy.

    Attributes:
        policies: their names.
        values: their value vectors a_k.
        combinations: one number for each member.
        additive_combinations: the same for the additive gap.
    """

    policies: list[str]
    values: list[list[float]]
    combinations: list[list[float]]
    additive_combinations: list[list[float]]


class SelectionReport(TypedDict):
    """A selection with the policies' names, in plain values: a certificate that can be saved and checked again.

    Attributes:
        certificate: ``portfolio``.
        portfolio: names of the members.
        usage: share of all preferences that each member serves best, by name.
        usage_entropy: entropy of these shares, in nats.
        effective_policies: its exponential.
        unused: names of members that serve no preference best.
    """

    certificate: str
    size: int
    method: str
    minimised: str
    portfolio: list[str]
    epsilon: float
    epsilon_bound: float
    delta: float
    delta_bound: float
    worst_weights: list[float]
    usage: dict[str, float]
    usage_entropy: float
    effective_policies: float
    unused: list[str]
    additive_gap: float
    additive_worst_weights: list[float]
    proof: ProofReport


def describe_selection(table: ValueTable, selection: Selection, size: int | None = None) -> SelectionReport:
    """Describe a selection from a table; ``size`` is the one asked for, None for the number of members."""
    proof = selection.certificate
    shares = usage(table.value_vectors, selection.indices)
    spread = diversity(shares)
    return {
        "certificate": "portfolio",
        "size": len(selection.indices) if size is None else size,
        "method": selection.method,
        "minimised": selection.minimised,
        "portfolio": [table.names[member] for member in selection.indices],
        "epsilon": proof.epsilon,
        "epsilon_bound": selection.epsilon_bound,
        "delta": proof.delta,
        "delta_bound": selection.delta_bound,
        "worst_weights": proof.worst_weights.tolist(),
        "usage": {table.names[member]: share for member, share in shares.items()},
        "usage_entropy": spread.entropy,
        "effective_policies": spread.effective_number,
        "unused": [table.names[member] for member in spread.unused],
        "additive_gap": proof.additive_gap,
        "additive_worst_weights": proof.additive_worst_weights.tolist(),
        "proof": {
            "policies": list(table.names),
            "values": table.value_vectors.tolist(),
            "combinations": proof.combinations.tolist(),
            "additive_combinations": proof.additive_combinations.tolist(),
        },
    }


def _check_size(size: int) -> int:
    if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
        raise SelectionError(f"size={size!r}", rule="must be an integer of at least 1", remedy="raise it")
    return int(size)


def _fill(values: Array, members: Iterable[int], size: int, candidates: Integers) -> tuple[int, ...]:
    """Add candidates until there are ``size``, each the one that raises the mean best value most."""
    chosen = list(dict.fromkeys(int(member) for member in members))
    worth = dense_preferences(values.shape[1]) @ values.T
    while len(chosen) < size:
        gain = np.full(len(values), -np.inf)
        gain[candidates] = np.maximum(worth[:, candidates], worth[:, chosen].max(axis=1, keepdims=True)).mean(axis=0)
        gain[chosen] = -np.inf
        chosen.append(int(np.argmax(gain)))
    return tuple(sorted(chosen))
