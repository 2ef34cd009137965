"""GRPO with every setting that would change the objective turned off.

What remains different from J_w: the KL gradient is corrected one token at a time, without the effect of a token on
the divergence of later ones. Training then ends short of the optimum unless responses are one token long
(docs/method.md, what is trained). `rloo` has no such difference.
"""

from palm.training.objective import Problem, Trained
from palm.training.policy_gradient import run

FAITHFUL = {
    "scale_rewards": "none",
    "multi_objective_aggregation": "sum_then_normalize",
    "loss_type": "dr_grpo",
    "use_bias_correction_kl": True,
    "mask_truncated_completions": False,
    # It would weight the rewards' part of the gradient but not the KL's.
    "vllm_importance_sampling_correction": False,
}


def train(problem: Problem) -> Trained:
    """Train an adapter with TRL's `GRPOTrainer`.

    Args:
        problem: objective, data and settings.

    Returns:
        The trained adapter and its log.

    Source: Shao et al. 2024, arXiv 2402.03300; constant length normalisation from Liu et al. 2025, arXiv 2503.20783.
    """
    from trl import GRPOConfig, GRPOTrainer

    return run(problem, GRPOTrainer, GRPOConfig, faithful_settings(problem))


def faithful_settings(problem: Problem) -> dict:
    """The settings of TRL with which GRPO maximises J_w.

    GRPO's baseline, the mean of the group, holds the response itself. That takes a G-th off the expected gradient of
    the rewards and leaves that of the KL, as if β were G / (G - 1) times larger; so TRL is given that much less.

    Args:
        problem: objective, data and settings.

    Returns:
        `FAITHFUL` and TRL's ``beta``.
    """
    group = problem.config.training.responses_per_prompt
    return {**FAITHFUL, "beta": problem.config.beta * (group - 1) / group}
