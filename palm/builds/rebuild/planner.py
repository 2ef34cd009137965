"""Planner: reuse a policy, fine-tune an earlier one, or train from the base model, for each weight vector."""

from collections.abc import Callable, Sequence

import numpy as np

from palm.artifacts.base import Vector
from palm.artifacts.plan import Plan, Training
from palm.builds.rebuild.candidates import EarlierPolicy
from palm.builds.records import mark_use
from palm.config.portfolio import PortfolioConfig
from palm.storage.store import Store

_SAME = 1e-9
"""Weights that differ by less are the same."""


def make_plan(
    config: PortfolioConfig,
    weights: Sequence[Vector],
    candidates: list[EarlierPolicy],
    *,
    reference: np.ndarray,
    name_of: Callable[[Vector], str],
    from_version: str | None,
) -> Plan:
    """Plan the trainings of a build.

    Args:
        weights: preference weights of the design, n vectors of length d.
        candidates: earlier policies, measured under the present rewards.
        reference: R(π_ref), shape (d,).
        name_of: name of the policy that is trained from the base model for some weights.
        from_version: the champion that the candidates are from; None for none.
    """
    store, names = Store(config.storage.root), {candidate.name for candidate in candidates}
    trainings = []
    for vector in weights:
        known = name_of(vector)
        # Before the lookup, so that garbage collection keeps it until the training fetches it.
        mark_use(store.root, known)
        if store.has(known):
            # A policy that a killed build of the same inputs has trained is not named: the plan, which is part of the
            # portfolio's content, is then the plan of the killed build.
            trainings.append(Training(weights=vector, keep=known if known in names else ""))
        else:
            trainings.append(choose_training(vector, candidates, reference=reference))
    kept = {training.keep for training in trainings}
    return Plan(
        trainings=tuple(trainings),
        earlier=tuple(candidate.name for candidate in candidates),
        from_version=from_version if candidates else None,
        shortfalls={entry.name: entry.shortfall_when_trained for entry in candidates if entry.name in kept},
        rebuild=config.rebuild.model_dump(),
    )


def choose_training(weights: Vector, candidates: list[EarlierPolicy], *, reference: np.ndarray) -> Training:
    """Choose between reusing an earlier policy, fine-tuning one, and training from the base model (`make_plan`).

    A policy of the same weights is reused if its shortfall under the present rewards is at most the shortfall that
    its training reached (`palm.builds.rebuild.candidates.SHORTFALL_TOLERANCE`): another training would come no nearer
    to the optimum. Where little can be gained every shortfall is small, so the policy must not be worse than the
    reference either. Otherwise the training starts from the candidate that is best for the weights now, unless that
    one is worse than the reference.
    """
    w = np.array(weights)
    for candidate in candidates:
        same = np.abs(candidate.weights - w).max() <= _SAME
        good = candidate.shortfall <= candidate.allowed_shortfall and not candidate.worse_than_reference
        if same and candidate.trained_alike and good:
            return Training(weights=weights, keep=candidate.name)
    starts = [candidate for candidate in candidates if candidate.may_start]
    best = max(starts, key=lambda candidate: float(candidate.value_vector @ w), default=None)
    if best is None or best.value_vector @ w <= reference @ w:
        return Training(weights=weights)
    return Training(weights=weights, start=best.name)
