"""Router: the best policy of a portfolio for preference weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from palm.errors import WeightsError
from palm.geometry.preferences.simplex import check_preference_weights

Weights = Mapping[str, float] | Sequence[float] | np.ndarray
"""Preference weights: reward name to weight, or the weights in the order of the rewards."""


@dataclass(frozen=True)
class Router:
    """The routing table of a portfolio.

    Attributes:
        reward_names: objectives in weight order, length d.
        policies: names, length K.
        value_vectors: a_k = R(π_k) − f(π_k), shape (K, d); J_w(π_k) = a_k · w.
    """

    reward_names: tuple[str, ...]
    policies: tuple[str, ...]
    value_vectors: np.ndarray

    def route(self, weights: Weights) -> str:
        """Name the policy with the largest J_w; of equal ones the first.

        Raises:
            WeightsError: the weights are not on the simplex, or do not name exactly the rewards of the portfolio.
        """
        if isinstance(weights, Mapping):
            weights = self._in_order(weights)
        vector = check_preference_weights(weights, len(self.reward_names))
        return self.policies[int(np.argmax(self.value_vectors @ vector))]

    def _in_order(self, weights: Mapping[str, float]) -> list[float]:
        if set(weights) != set(self.reward_names):
            raise WeightsError(
                f"weights of {', '.join(map(str, weights)) or 'nothing'}",
                rule=f"must name the rewards of the portfolio: {', '.join(self.reward_names)}",
                remedy="give each of them one weight, 0 if it does not matter",
            )
        return [weights[name] for name in self.reward_names]
