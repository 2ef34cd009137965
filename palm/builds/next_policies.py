"""What to train next after a build: the adaptive design on measured policies."""

from pathlib import Path

import numpy as np

from palm.errors import DataError
from palm.geometry.adaptive.next_batch import next_batch
from palm.storage.files import read_json


def next_policies(summary: Path, *, target: float, batch: int) -> dict:
    """Choose preference weights to train next, until every preference is within a gap of the optimum.

    Args:
        summary: a build's summary.json.
        target: multiplicative gap to the optimum to reach, in (0, 1).
        batch: the most policies to train at once, at least 1.

    Returns:
        Dict: target, epsilon (gap of all trained policies to J*, for every preference), worst_weights, next (weights
        to train, none if the target is met) and weights (trained ones and those, for strategy ``weights``). It rests
        on the rollout estimates of J* at the trained weights, raised to what any policy attains there.

    Raises:
        DataError: the file is missing or is not the summary of a build.
        WeightsError: target or batch is out of range.
        SelectionError: a policy is farther from the optimum than the target allows at its own preference.
    """
    try:
        policies = read_json(summary)["policies"]
        weights = np.array([policy["weights"] for policy in policies], dtype=np.float64)
        values = np.array([policy["value_vector"] for policy in policies], dtype=np.float64)
        estimates = np.array([policy["objective_optimum"]["mean"] for policy in policies], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            str(summary), rule=f"is not the summary of a build ({error!r})", remedy="give a build's summary.json"
        ) from error
    upper = np.maximum(estimates, (weights @ values.T).max(axis=1))
    chosen = next_batch(weights, values, upper, size=batch, target=target)
    return {
        "target": target,
        "epsilon": chosen.gap.epsilon,
        "worst_weights": chosen.gap.worst_weights.tolist(),
        "next": chosen.weights.tolist(),
        "weights": np.vstack([weights, chosen.weights]).tolist(),
    }
