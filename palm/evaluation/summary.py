"""From rollouts to the numbers that are reported."""

import numpy as np

from palm.evaluation.measure import mean_over_prompts
from palm.evaluation.optimum import estimate_optimum
from palm.evaluation.rollouts import Rollouts


def summarise_scores(rollouts: Rollouts, reward_names: list[str], metric_names: list[str]) -> dict:
    """Rewards, metrics, length and truncation of a policy.

    Args:
        rollouts: scored responses.
        reward_names: length d.
        metric_names: length m.

    Returns:
        JSON-able: ``rewards`` and ``metrics`` (name to mean and standard_error), ``response_tokens``,
        ``truncation_rate``.
    """
    return {
        "rewards": {
            name: mean_over_prompts(rollouts.rewards[:, :, i]).to_dict() for i, name in enumerate(reward_names)
        },
        "metrics": {
            name: mean_over_prompts(rollouts.metrics[:, :, i]).to_dict() for i, name in enumerate(metric_names)
        },
        "response_tokens": float(rollouts.lengths.mean()),
        "truncation_rate": float(rollouts.truncated.mean()),
    }


def summarise_policy(
    rollouts: Rollouts,
    divergences: np.ndarray,
    reference: Rollouts,
    weights: np.ndarray,
    *,
    beta: float,
    reward_names: list[str],
    metric_names: list[str],
) -> dict:
    """Everything measured about a policy on the held-out prompts.

    Args:
        rollouts: its scored responses to the p prompts.
        divergences: sequence KL to the reference in nats, shape (p, n).
        reference: scored responses of the reference to the same prompts.
        weights: the preference weights it was trained for, shape (d,).
        beta: β, reward units per nat.
        reward_names: length d.
        metric_names: length m.

    Returns:
        JSON-able: `summarise_scores` and ``kl``, ``regulariser`` (β KL), ``objective`` (J_w with standard error),
        ``objective_reference`` (J_w of the reference), ``objective_optimum`` (rollout estimate of J*),
        ``effective_sample_size``, ``share_of_gain`` ((J − J_ref) / (J* − J_ref), null where there is nothing to gain)
        and ``value_vector`` (R − β KL).
    """
    kl = mean_over_prompts(divergences)
    objective = mean_over_prompts(rollouts.rewards @ weights - beta * divergences)
    objective_reference = float((reference.rewards.mean(axis=(0, 1)) * weights).sum())
    optimum = estimate_optimum(reference.rewards, weights, beta=beta)
    possible = optimum.objective - objective_reference
    return {
        **summarise_scores(rollouts, reward_names, metric_names),
        "kl": kl.to_dict(),
        "regulariser": beta * kl.mean,
        "objective": objective.to_dict(),
        "objective_reference": objective_reference,
        "objective_optimum": optimum.objective,
        "effective_sample_size": optimum.effective_sample_size,
        "share_of_gain": (objective.mean - objective_reference) / possible if possible > 0 else None,
        "value_vector": (rollouts.rewards.mean(axis=(0, 1)) - beta * kl.mean).tolist(),
    }
