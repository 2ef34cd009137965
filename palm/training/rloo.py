"""REINFORCE leave-one-out: β·KL of the whole response is subtracted from its reward, so the objective is exactly J_w.

Source: Ahmadian et al. 2024, arXiv 2402.14740.
"""

from palm.training.policy_gradient import run_trainer
from palm.training.task import Leg, LoadedTask, Start, TrainingResult

# Each default of TRL that would rescale rewards against β or leave out part of the responses, pinned.
FAITHFUL = {"normalize_advantages": False, "reward_clip_range": None, "mask_truncated_completions": False}


def train(loaded: LoadedTask, leg: Leg, start: Start) -> TrainingResult:
    """Train a policy with TRL's `RLOOTrainer`; errors as of `run_trainer`."""
    from trl import RLOOConfig, RLOOTrainer

    return run_trainer(loaded, leg, start, RLOOTrainer, RLOOConfig, FAITHFUL)
