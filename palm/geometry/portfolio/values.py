"""Value tables: the expected rewards and the regulariser of every policy, and so its value vector."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from palm.errors import DataError, SelectionError
from palm.geometry.arrays import Array
from palm.geometry.preferences.simplex import check_preference_weights


@dataclass(frozen=True, eq=False)
class ValueTable:
    """Expected rewards and regulariser of every policy.

    Attributes:
        names: n policy names, all different.
        reward_names: d reward names, all different; d at least 2.
        rewards: R_i(π_k), shape (n, d), each in [0, 1].
        regulariser: f(π_k) = β · KL, shape (n,), at least 0.

    Raises:
        DataError: on construction, when a shape, a name or a number breaks these rules.
    """

    names: tuple[str, ...]
    reward_names: tuple[str, ...]
    rewards: Array
    regulariser: Array

    def __post_init__(self) -> None:
        """Check the table and freeze its parts."""
        for field in ("names", "reward_names"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        for field in ("rewards", "regulariser"):
            object.__setattr__(self, field, _numbers(field, getattr(self, field)))
        n, d = len(self.names), len(self.reward_names)
        _check_names("policies", self.names, minimum=1)
        _check_names("rewards", self.reward_names, minimum=2)
        for field, shape in (("rewards", (n, d)), ("regulariser", (n,))):
            if getattr(self, field).shape != shape:
                raise DataError(
                    f"{field} of shape {getattr(self, field).shape}",
                    rule=f"must be {shape} for {n} policies and {d} rewards",
                    remedy="give one row per policy and one column per reward",
                )
        for name, rewards, regulariser in zip(self.names, self.rewards, self.regulariser, strict=True):
            self._check_row(name, rewards, regulariser)

    def _check_row(self, name: str, rewards: Array, regulariser: float) -> None:
        for reward_name, value in zip(self.reward_names, rewards, strict=True):
            if not 0 <= value <= 1:
                raise DataError(
                    f"policy {name!r}, reward {reward_name!r}: {value}",
                    rule="must be a number in [0, 1]",
                    remedy="normalise the reward before evaluating",
                )
        if not 0 <= regulariser < np.inf:
            raise DataError(
                f"policy {name!r}, regulariser {regulariser}",
                rule="must be a finite number of at least 0",
                remedy="compute β · KL over the full vocabulary",
            )

    @property
    def value_vectors(self) -> Array:
        """The a_k = R(π_k) - f(π_k) · 1, shape (n, d): the objective of policy k for v is a_k · v."""
        return self.rewards - self.regulariser[:, None]

    def subset(self, names: Iterable[str]) -> "ValueTable":
        """Keep some policies, in the order given; SelectionError if one is not in the table."""
        kept = tuple(names)
        rows = [self.index(name) for name in kept]
        return ValueTable(
            names=kept, reward_names=self.reward_names, rewards=self.rewards[rows], regulariser=self.regulariser[rows]
        )

    def index(self, name: str) -> int:
        """Find the row of a policy by its name; SelectionError if there is none."""
        if name not in self.names:
            raise SelectionError(
                f"policy {name!r}", rule="is not in the table", remedy=f"choose from {', '.join(self.names)}"
            )
        return self.names.index(name)

    def objective(self, weights: ArrayLike) -> Array:
        """Compute J_w(π_k) for every policy, shape (n,); WeightsError if w is not on the simplex."""
        return self.value_vectors @ check_preference_weights(weights, len(self.reward_names))

    def best(self, weights: ArrayLike) -> str:
        """Name the policy with the highest J_w, the first one on a tie."""
        return self.names[int(np.argmax(self.objective(weights)))]


def _numbers(field: str, values: Any) -> Array:
    """Turn values into a read-only float64 array of their own."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f"{field}={values!r}", rule="must be numbers in rows of equal length", remedy="check the table"
        ) from None
    array.setflags(write=False)
    return array


def _check_names(what: str, names: tuple[str, ...], *, minimum: int) -> None:
    """Check that there are enough names, all different."""
    if len(names) < minimum:
        raise DataError(
            f"{what}={list(names)}", rule=f"must be at least {minimum}", remedy=f"name the {what} of the table"
        )
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{what} {', '.join(twice)}", rule="appear more than once", remedy="give each its own name")
