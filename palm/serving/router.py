"""From preference weights to a policy: the best member of the portfolio for these weights."""

from dataclasses import dataclass

import numpy as np

from palm.geometry.preferences.simplex import check_preference_weights


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

    def route(self, preference_weights) -> str:
        """Name the policy with the largest J_w.

        Args:
            preference_weights: w, shape (d,).

        Returns:
            The policy's name; of equal ones the first.

        Raises:
            WeightsError: the weights are not on the simplex.
        """
        weights = check_preference_weights(preference_weights, len(self.reward_names))
        return self.policies[int(np.argmax(self.value_vectors @ weights))]
