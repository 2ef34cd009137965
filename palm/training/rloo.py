"""REINFORCE leave-one-out: β·KL of the whole response is taken off its reward, so the objective is exactly J_w."""

from palm.training.objective import Problem, Trained
from palm.training.policy_gradient import run

# Each default of TRL that would rescale rewards against β or leave out part of the responses, pinned.
FAITHFUL = {"normalize_advantages": False, "reward_clip_range": None, "mask_truncated_completions": False}


def train(problem: Problem) -> Trained:
    """Train an adapter with TRL's `RLOOTrainer`.

    Args:
        problem: objective, data and settings.

    Returns:
        The trained adapter and its log.

    Source: Ahmadian et al. 2024, arXiv 2402.14740.
    """
    from trl import RLOOConfig, RLOOTrainer

    return run(problem, RLOOTrainer, RLOOConfig, FAITHFUL)
