"""Choosing the portfolio: exactly, or greedily as the paper does, always with a certificate."""

from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from palm.errors import SelectionError
from palm.portfolio.certificate import (
    PortfolioCertificate,
    certify,
    check_delta,
    check_meaningful,
    check_value_vectors,
)
from palm.portfolio.exact import best_portfolio
from palm.portfolio.greedy import dense_preferences, greedy_cover
from palm.portfolio.usage import usage

METHODS = ("exact", "greedy")


@dataclass(frozen=True, eq=False)
class Selection:
    """A portfolio and how good it is.

    Attributes:
        method: ``exact`` or ``greedy``.
        indices: the members, increasing.
        certificate: the proof for these members.
        epsilon_bound: proven: no portfolio of this size has a smaller epsilon. Greedy proves nothing: 0.0.
    """

    method: str
    indices: tuple
    certificate: PortfolioCertificate
    epsilon_bound: float

    @property
    def epsilon(self):
        """The certified worst-case gap."""
        return self.certificate.epsilon

    @property
    def delta(self):
        """The additive tolerance granted."""
        return self.certificate.delta

    @property
    def worst_weights(self):
        """A preference at which epsilon is needed, shape (d,)."""
        return self.certificate.worst_weights


@dataclass(frozen=True)
class SizeGapPoint:
    """What a portfolio size buys.

    Attributes:
        size: number of policies K.
        exact: certified epsilon of the best portfolio found of at most that size; None if not asked for.
        bound: proven lower bound of epsilon at that size; 0.0 if exact was not asked for.
        greedy: certified epsilon of the greedy portfolio of at most that size; None if not asked for.
    """

    size: int
    exact: float | None
    bound: float
    greedy: float | None


def select(value_vectors, size, *, method="exact", delta=0.0, time_limit_seconds=60.0):
    """Choose ``size`` policies that serve every preference best.

    Args:
        value_vectors: a_k, shape (n, d).
        size: number of members K, at least 1; with n or more all policies are taken.
        method: ``exact`` (proven optimal unless time runs out) or ``greedy`` (the paper's set cover).
        delta: additive tolerance, at least 0.
        time_limit_seconds: limit of the exact method's hard set covers: each gets a third of it, and the
            search ends with what is proven when three have run out.

    Returns:
        Selection. Members beyond those that decide epsilon are the ones that raise the mean best value most.
        Exact is never worse than greedy.

    Raises:
        DataError: the value vectors are malformed.
        SelectionError: an argument is out of range, or no portfolio of this size has an epsilon up to 1.

    Source:
        Greedy: the pruning of arXiv 2604.04144. Exact: derived, see ``exact.best_portfolio``. Both certified.
    """
    values = check_value_vectors(value_vectors)
    count = _check_request(size, method, delta, time_limit_seconds)
    if count >= len(values):
        everything = tuple(range(len(values)))
        certificate = certify(values, everything, delta=delta)
        return Selection(method=method, indices=everything, certificate=certificate, epsilon_bound=0.0)
    check_meaningful(values, delta=delta)
    members = _fill(values, greedy_cover(values, dense_preferences(values.shape[1]), count, delta=delta), count)
    if method == "greedy":
        return Selection(
            method=method, indices=members, certificate=certify(values, members, delta=delta), epsilon_bound=0.0
        )
    proven = best_portfolio(values, count, start=members, delta=delta, time_limit_seconds=time_limit_seconds)
    if not np.isfinite(proven.epsilon):
        raise SelectionError(
            f"size={count}, delta={delta}",
            rule="no portfolio of this size was found whose gap is at most 1 for every preference",
            remedy="allow a delta or a larger size",
        )
    members = _fill(values, proven.indices, count)
    certificate = certify(values, members, delta=delta)
    return Selection(
        method=method,
        indices=members,
        certificate=certificate,
        epsilon_bound=min(proven.bound, certificate.epsilon),
    )


def size_gap_curve(value_vectors, *, delta=0.0, sizes=None, methods=METHODS, time_limit_seconds=60.0):
    """Compute the worst-case gap for each portfolio size.

    Args:
        value_vectors: a_k, shape (n, d).
        delta: additive tolerance, at least 0.
        sizes: sizes K to compute, each at least 1; None for all from the smallest at which every method
            has an epsilon up to 1, to n.
        methods: ``exact``, ``greedy`` or both.
        time_limit_seconds: for each exact selection, see ``select``.

    Returns:
        Tuple of SizeGapPoint with increasing sizes. Gaps never increase: a portfolio of fewer members counts
        as one of at most K. Bounds are proven for each size on its own.

    Raises:
        DataError: the value vectors are malformed.
        SelectionError: an argument is out of range, or a size that was asked for has no epsilon up to 1.
    """
    values = check_value_vectors(value_vectors)
    for method in methods:
        _check_request(1, method, delta, time_limit_seconds)
    best, points = dict.fromkeys(methods, np.inf), []
    for size in sorted(set(range(1, len(values) + 1) if sizes is None else sizes)):
        try:
            found = {
                method: select(values, size, method=method, delta=delta, time_limit_seconds=time_limit_seconds)
                for method in methods
            }
        except SelectionError:
            if sizes is not None or points or size == len(values):
                raise
            continue
        best = {method: min(best[method], found[method].epsilon) for method in methods}
        points.append(
            SizeGapPoint(
                size=size,
                exact=best.get("exact"),
                bound=found["exact"].epsilon_bound if "exact" in found else 0.0,
                greedy=best.get("greedy"),
            )
        )
    return tuple(points)


def describe_selection(table, selection, size=None):
    """Describe a selection with the policies' names.

    Args:
        table: the ValueTable that the selection was made from.
        selection: the Selection.
        size: the size that was asked for; None for the number of members.

    Returns:
        Dict of plain values: size, method, portfolio (names), epsilon, epsilon_bound, delta, worst_weights,
        usage (share of all preferences that each member serves best, by name).
    """
    shares = usage(table.value_vectors, selection.indices)
    return {
        "size": len(selection.indices) if size is None else size,
        "method": selection.method,
        "portfolio": [table.names[member] for member in selection.indices],
        "epsilon": selection.epsilon,
        "epsilon_bound": selection.epsilon_bound,
        "delta": selection.delta,
        "worst_weights": selection.worst_weights.tolist(),
        "usage": {table.names[member]: share for member, share in shares.items()},
    }


def _check_request(size, method, delta, time_limit_seconds):
    """Check the arguments of a selection and give the size as an int."""
    if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
        raise SelectionError(f"size={size!r}", rule="must be an integer of at least 1", remedy="raise it")
    if method not in METHODS:
        near = get_close_matches(str(method), METHODS, n=1, cutoff=0.4)
        raise SelectionError(
            f"method={method!r}",
            rule=f"must be one of {', '.join(METHODS)}",
            remedy=f"did you mean {near[0]!r}?" if near else "choose one of them",
        )
    check_delta(delta)
    if not time_limit_seconds > 0:
        raise SelectionError(f"time_limit_seconds={time_limit_seconds}", rule="must be above 0", remedy="raise it")
    return int(size)


def _fill(values, members, size):
    """Add policies until there are ``size``, each the one that raises the mean best value most."""
    chosen = list(dict.fromkeys(int(member) for member in members))
    worth = dense_preferences(values.shape[1]) @ values.T
    while len(chosen) < size:
        gain = np.maximum(worth, worth[:, chosen].max(axis=1, keepdims=True)).mean(axis=0)
        gain[chosen] = -np.inf
        chosen.append(int(np.argmax(gain)))
    return tuple(sorted(chosen))
