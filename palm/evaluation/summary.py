"""From rollouts to the numbers that are reported."""

import numpy as np

from palm.errors import DataError
from palm.evaluation.measure import mean_over_prompts, share_over_prompts
from palm.evaluation.optimum import estimate_optimum
from palm.evaluation.rollouts import Rollouts


def summarise_scores(rollouts: Rollouts, reward_names: list[str], metric_names: list[str]) -> dict:
    """Rewards, metrics, length and truncation of a policy.

    Args:
        rollouts: scored responses.
        reward_names: length d.
        metric_names: length m.

    Returns:
        JSON-able: ``rewards`` and ``metrics`` (name to mean and standard_error), ``response_tokens`` (mean and
        standard_error, the end token counted), ``truncation_rate``.
    """
    return {
        "rewards": {
            name: mean_over_prompts(rollouts.rewards[:, :, i]).to_dict() for i, name in enumerate(reward_names)
        },
        "metrics": {
            name: mean_over_prompts(rollouts.metrics[:, :, i]).to_dict() for i, name in enumerate(metric_names)
        },
        "response_tokens": mean_over_prompts(rollouts.lengths).to_dict(),
        "truncation_rate": float(rollouts.truncated.mean()),
    }


def summarise_policy(
    rollouts: Rollouts,
    divergences: np.ndarray,
    reference: Rollouts,
    weights: np.ndarray,
    *,
    beta: float,
    seed: int,
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
        seed: seed of the bootstrap.
        reward_names: length d.
        metric_names: length m.

    Returns:
        JSON-able: `summarise_scores` and, each with its standard error over prompts where it is a mean,
        ``kl``, ``regulariser`` (β KL), ``objective`` (J_w), ``objective_reference`` (J_w of the reference),
        ``gain`` (J − J_ref, paired by prompt), ``objective_optimum`` (rollout estimate of J*), ``optimum_bias``
        (about how much that is too low), ``effective_sample_size`` and ``smallest_effective_sample_size`` of it,
        ``share_of_gain`` ((J − J_ref) / (J* − J_ref), null where there is nothing to gain), its ``share_interval``
        (confidence, low, high; null where prompts are too few or too alike to tell) and ``value_vector`` (R − β KL).

    Raises:
        DataError: the reference answered other prompts.
    """
    if rollouts.prompts != reference.prompts:
        raise DataError(
            f"reference rollouts to {len(reference.prompts)} prompts",
            rule=f"must be to the {len(rollouts.prompts)} prompts that the policy is evaluated on, in their order",
            remedy="give the folder that the step sample_reference made with this configuration",
        )
    kl = mean_over_prompts(divergences)
    ours = (rollouts.rewards @ weights - beta * divergences).mean(axis=1)
    theirs = (reference.rewards @ weights).mean(axis=1)
    optimum = estimate_optimum(reference.rewards, weights, beta=beta)
    share = share_over_prompts(ours - theirs, optimum.by_prompt - theirs, seed=seed)
    return {
        **summarise_scores(rollouts, reward_names, metric_names),
        "kl": kl.to_dict(),
        "regulariser": beta * kl.mean,
        "objective": mean_over_prompts(ours).to_dict(),
        "objective_reference": mean_over_prompts(theirs).to_dict(),
        "gain": mean_over_prompts(ours - theirs).to_dict(),
        "objective_optimum": mean_over_prompts(optimum.by_prompt).to_dict(),
        "optimum_bias": optimum.bias,
        "effective_sample_size": optimum.effective_sample_size,
        "smallest_effective_sample_size": optimum.smallest_effective_sample_size,
        "share_of_gain": share.share,
        "share_interval": None
        if share.low is None
        else {"confidence": share.confidence, "low": share.low, "high": share.high},
        "value_vector": (rollouts.rewards.mean(axis=(0, 1)) - beta * kl.mean).tolist(),
    }
