"""GRPO with every setting that would change the objective turned off.

One difference from J_w remains: the KL gradient is corrected one token at a time and ignores the effect of a token on
the divergence of later ones. Training then ends short of the optimum unless responses are one token long
(docs/method.md, what is trained). `rloo` has no such difference.

Source: Shao et al. 2024, arXiv 2402.03300; constant length normalisation from Liu et al. 2025, arXiv 2503.20783.
"""

from palm.training.policy_gradient import run_trainer
from palm.training.task import Leg, LoadedTask, Start, TrainingResult, TrainingTask

FAITHFUL = {
    "scale_rewards": "none",
    "multi_objective_aggregation": "sum_then_normalize",
    "loss_type": "dr_grpo",
    "use_bias_correction_kl": True,
    "mask_truncated_completions": False,
    # It would weight the rewards' part of the gradient but not the KL's.
    "vllm_importance_sampling_correction": False,
}


def train(loaded: LoadedTask, leg: Leg, start: Start) -> TrainingResult:
    """Train a policy with TRL's `GRPOTrainer`; errors as of `run_trainer`."""
    from trl import GRPOConfig, GRPOTrainer

    return run_trainer(loaded, leg, start, GRPOTrainer, GRPOConfig, faithful_settings(loaded.task))


def faithful_settings(task: TrainingTask) -> dict:
    """Settings of TRL with which GRPO maximises J_w: `FAITHFUL` and ``beta``.

    GRPO's baseline, the mean of the group, includes the response itself. That takes a G-th off the expected gradient
    of the rewards but not of the KL, as if β were G / (G - 1) times larger; TRL is given that much less.
    """
    group = task.settings.responses_per_prompt
    return {**FAITHFUL, "beta": task.objective.beta * (group - 1) / group}
