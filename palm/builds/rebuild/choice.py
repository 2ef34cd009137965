"""Which earlier policy serves a weight vector, or its training, best."""

from dataclasses import dataclass

import numpy as np

from palm.builds.rebuild.candidates import EarlierPolicy

_SAME = 1e-9
"""Weights that differ by less are the same."""


@dataclass(frozen=True)
class TrainingChoice:
    """How the policy of a weight vector is to be had.

    Attributes:
        keep: name of the earlier policy that stays as it is; empty if one is trained.
        start: name of the earlier policy that the training starts from; empty for none.
    """

    keep: str = ""
    start: str = ""


def choose_training(weights: np.ndarray, candidates: list[EarlierPolicy], *, reference: np.ndarray) -> TrainingChoice:
    """Decide whether an earlier policy is good enough for a weight vector, and else which one to start from.

    A policy of the same weights is good enough if it is not farther below the optimum of the present rewards than its
    own training had left it below that of the rewards of then (or by a hundredth of that): training it again would
    come no nearer. Where there is little to gain even a bad one is near, so it must not be worse than the
    reference either. Else the training starts from the policy that is best for the weights now, unless even that is
    worse than the reference.

    Args:
        weights: preference weights w, shape (d,).
        candidates: earlier policies, measured under the present rewards.
        reference: R(π_ref), shape (d,).

    Returns:
        The choice.
    """
    for candidate in candidates:
        same = np.abs(candidate.weights - weights).max() <= _SAME
        good = candidate.shortfall <= candidate.allowed_shortfall and not candidate.worse_than_reference
        if same and candidate.trained_alike and good:
            return TrainingChoice(keep=candidate.name)
    starts = [candidate for candidate in candidates if candidate.may_start]
    best = max(starts, key=lambda candidate: float(candidate.value_vector @ weights), default=None)
    if best is None or best.value_vector @ weights <= reference @ weights:
        return TrainingChoice()
    return TrainingChoice(start=best.name)
