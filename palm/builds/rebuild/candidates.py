"""Policies of an earlier build under the present objectives."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palm.config.portfolio import PortfolioConfig
from palm.evaluation.measure import Mean
from palm.storage.files import read_json
from palm.training.guards import is_worse_than_reference, kl_limit
from palm.training.task import TRAINING_REVISION

PLAN, CHAMPION, EVALUATIONS = "plan.json", "champion.json", "evaluations"
"""In the folder of the step plan_training: the plan, what the gate compares with, and the evaluations of both."""
_HARDLY_FARTHER = 0.01
"""By this share of its shortfall a policy may be farther from the optimum than its training left it, and stay."""

POLICY = "policy.json"
"""In the folder of a policy, and of its evaluation there."""

_OBJECTIVE = {"rewards", "weights", "start"}
"""Parts of a policy's definition that say what it was trained for, not how."""


@dataclass(frozen=True, eq=False)
class EarlierPolicy:
    """A policy that was trained for other rewards, or the same.

    Attributes:
        name: content name.
        weights: preference weights that it was trained for, of the present objectives, shape (d,).
        value_vector: a = R − β KL under the present rewards, shape (d,).
        shortfall: J* − J at its own weights, under the present rewards.
        shortfall_when_trained: the same under the rewards that it was trained for.
        worse_than_reference: whether a guard would mark it under the present rewards, as J is below J_ref.
        trained_alike: whether the configuration would train it the same way, apart from the rewards.
        may_start: whether its weights fit a policy that the configuration trains by a policy gradient, and its KL is
            within what that may have.
    """

    name: str
    weights: np.ndarray
    value_vector: np.ndarray
    shortfall: float
    shortfall_when_trained: float
    worse_than_reference: bool
    trained_alike: bool
    may_start: bool

    @property
    def allowed_shortfall(self) -> float:
        """Up to where it is as near to the optimum as its training came, or hardly farther."""
        # Where J* is estimated too low the shortfall is negative.
        return self.shortfall_when_trained + _HARDLY_FARTHER * abs(self.shortfall_when_trained)


def earlier_policy(
    config: PortfolioConfig,
    *,
    before: dict,
    now: dict,
    definition: dict,
    prompts: str,
    shortfall_when_trained: float | None,
    adapter: bool,
) -> EarlierPolicy:
    """Put together what two evaluations say of a policy.

    Args:
        config: the configuration.
        before: evaluation record of the build that it is from.
        now: evaluation record under the present rewards.
        definition: what it was trained from (`palm.training.task.TrainingTask`).
        prompts: digest of the training prompts.
        shortfall_when_trained: J* − J when it was trained, if that was before the build that it is from; else None.
        adapter: whether it is an adapter, not a whole model.

    Returns:
        The policy.
    """
    settings = config.training
    how = {key: value for key, value in definition.items() if key not in _OBJECTIVE}
    wanted = {
        **how,
        "training_revision": TRAINING_REVISION,
        "prompts": prompts,
        "beta": config.beta,
        "generation": config.generation.model_dump(),
        "reference": config.reference.model_dump(),
        "training": settings.fingerprint_settings,
    }
    trained = definition["training"]
    return EarlierPolicy(
        name=now["policy"],
        weights=np.array(now["weights"]),
        value_vector=np.array(now["value_vector"]),
        shortfall=_shortfall(now),
        shortfall_when_trained=_shortfall(before) if shortfall_when_trained is None else shortfall_when_trained,
        worse_than_reference=is_worse_than_reference(Mean(**now["gain"])),
        trained_alike=how == wanted,
        # A soup's adapter has the ranks of all its corners.
        may_start=settings.backend in ("rloo", "grpo")
        and trained["backend"] != "soup"
        and trained["lora"] == (None if settings.lora is None else settings.lora.model_dump())
        and adapter == (settings.lora is not None)
        # A guard would stop the training at its first steps, before there is a checkpoint to keep.
        and now["kl"]["mean"] <= kl_limit(settings, config.beta),
    )


def earlier_evaluations(plan: Path | None) -> list[Path]:
    """Evaluation folders of the earlier policies that are candidates.

    Args:
        plan: folder of the step plan_training, or None.

    Returns:
        The folders, in the plan's order.
    """
    return [] if plan is None else [plan / EVALUATIONS / name for name in read_json(plan / PLAN)["earlier"]]


def weights_here(config: PortfolioConfig, record: dict) -> dict:
    """The weights of a policy as weights of the present objectives.

    Args:
        config: the configuration.
        record: content of policy.json.

    Returns:
        ``weights`` and ``reward_names``: each objective that is still there has its share, a new one none; equal shares
        if none is left.
    """
    names = config.reward_names
    before = dict(zip(record["reward_names"], record["weights"], strict=True))
    shares = np.array([before.get(name, 0.0) for name in names])
    shares = shares / shares.sum() if shares.sum() > 0 else np.full(len(names), 1 / len(names))
    weights = record["weights"] if record["reward_names"] == names else shares.tolist()
    return {"weights": weights, "reward_names": names}


def _shortfall(record: dict) -> float:
    return record["objective_optimum"]["mean"] - record["objective"]["mean"]
