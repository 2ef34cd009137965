"""Summaries of rollouts: the numbers that are reported of the reference and of a policy."""

import numpy as np

from palm.artifacts.evaluation import Diversity, Evaluation, Scores
from palm.artifacts.policy import Policy
from palm.errors import DataError
from palm.evaluation.measure import mean_over_prompts, share_over_prompts
from palm.evaluation.optimum import estimate_optimum
from palm.evaluation.rollouts import Rollouts


def summarise_scores(rollouts: Rollouts, reward_names: list[str], metric_names: list[str]) -> Scores:
    """Rewards, metrics, length and truncation of scored responses."""
    return Scores(
        rewards={name: mean_over_prompts(rollouts.rewards[:, :, i]) for i, name in enumerate(reward_names)},
        metrics={name: mean_over_prompts(rollouts.metrics[:, :, i]) for i, name in enumerate(metric_names)},
        response_tokens=mean_over_prompts(rollouts.lengths),
        truncation_rate=float(rollouts.truncated.mean()),
    )


def summarise_policy(
    policy: Policy,
    rollouts: Rollouts,
    divergences: np.ndarray,
    reference: Rollouts,
    diversity: Diversity,
    *,
    beta: float,
    seed: int,
    reward_names: list[str],
    metric_names: list[str],
) -> Evaluation:
    """Everything measured of a policy on the held-out prompts.

    Args:
        policy: its weights define the objective.
        rollouts: its scored responses to the p prompts.
        divergences: sequence KL to the reference in nats, shape (p, n).
        reference: scored responses of the reference to the same prompts.

    Raises:
        DataError: the reference answered other prompts.
    """
    if rollouts.prompts != reference.prompts:
        raise DataError(
            f"reference rollouts to {len(reference.prompts)} prompts",
            rule=f"must be to the {len(rollouts.prompts)} prompts that the policy is evaluated on, in their order",
            remedy="give the folder that the step sample_reference made with this configuration",
        )
    weights, kl = np.array(policy.weights), mean_over_prompts(divergences)
    ours = (rollouts.rewards @ weights - beta * divergences).mean(axis=1)
    theirs = (reference.rewards @ weights).mean(axis=1)
    optimum = estimate_optimum(reference.rewards, weights, beta=beta)
    share, interval = share_over_prompts(ours - theirs, optimum.by_prompt - theirs, seed=seed)
    return Evaluation(
        **dict(summarise_scores(rollouts, reward_names, metric_names)),
        policy=policy.policy,
        weights=policy.weights,
        guard=policy.guard,
        kl=kl,
        regulariser=beta * kl.mean,
        objective=mean_over_prompts(ours),
        objective_reference=mean_over_prompts(theirs),
        gain=mean_over_prompts(ours - theirs),
        objective_optimum=mean_over_prompts(optimum.by_prompt),
        optimum_bias=optimum.bias,
        effective_sample_size=optimum.effective_sample_size,
        smallest_effective_sample_size=optimum.smallest_effective_sample_size,
        share_of_gain=share,
        share_interval=interval,
        value_vector=(rollouts.rewards.mean(axis=(0, 1)) - beta * kl.mean).tolist(),
        diversity=diversity,
    )
