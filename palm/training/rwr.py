"""Reward-weighted regression: imitate the reference's own best responses.

The optimum is a tilt of the reference, π_w ∝ π_ref exp(w·r / β). Resampling scored reference rollouts with
probability softmax(w·r / β) within each prompt gives samples of it, and maximum likelihood on them projects it onto
the policy. Nothing is generated: all policies share one set of rollouts.

Source: reward-weighted regression (Peters and Schaal 2007) with the tilt of arXiv 2604.04144.
"""

import numpy as np
from scipy.special import softmax

from palm.evaluation.rollouts import read_rollouts
from palm.models.load import load_model
from palm.models.prompts import encode_prompts
from palm.models.supervised import Pair, fit
from palm.training.adapters import load_policy_state, new_policy
from palm.training.callbacks import checkpoint_arguments, finished_result, trainer_callbacks
from palm.training.task import Leg, LoadedTask, Start, TrainingResult


def train(loaded: LoadedTask, leg: Leg, start: Start) -> TrainingResult:
    """Train a policy by reward-weighted regression; errors as of `run_trainer`."""
    from trl.trainer.utils import disable_dropout_in_model

    task, settings, objective = loaded.task, loaded.task.settings, loaded.task.objective
    base = load_model(loaded.base_model, task.training_dtype)
    rollouts = read_rollouts(loaded.rollouts / "train.parquet", objective.reward_names)
    rng = np.random.default_rng(settings.seed)
    chosen = resample(rollouts.rewards, objective.weights, beta=objective.beta, rng=rng)
    prompt_ids = encode_prompts(base.tokenizer, loaded.prompts.texts)
    pairs = [
        Pair(prompt_ids[prompt], rollouts.token_ids[prompt][sample])
        for prompt, samples in enumerate(chosen)
        for sample in samples
    ]
    disable_dropout_in_model(base.model)
    model = new_policy(base.model, settings.lora, seed=settings.seed)
    if start.state is not None:
        load_policy_state(model, start.state)
    steps = max(1, settings.rwr.epochs * len(pairs) // settings.rwr.batch_size)
    state = fit(
        model,
        base.tokenizer,
        pairs,
        steps=steps,
        batch_size=settings.rwr.batch_size,
        learning_rate=settings.rwr.learning_rate,
        seed=settings.seed,
        scratch=loaded.scratch / leg.backend,
        micro_batch_size=settings.rwr.micro_batch_size,
        processes=settings.world_size,
        equal_tokens=True,
        callbacks=trainer_callbacks(loaded, leg, note="loss"),
        resume=start.checkpoint,
        bf16=objective.dtype == "bfloat16",
        gradient_checkpointing=settings.activation_checkpointing,
        **checkpoint_arguments(settings),
    )
    return finished_result(loaded, model, state, steps=steps, remedy="run it again")


def resample(rewards: np.ndarray, weights: np.ndarray, *, beta: float, rng: np.random.Generator) -> np.ndarray:
    """Draw as many rollouts per prompt as there are, with probability softmax(w·r / β).

    Args:
        rewards: shape (p, n, a).

    Returns:
        Indices of the drawn samples, shape (p, n).
    """
    probabilities = softmax(rewards @ weights / beta, axis=1)
    count = rewards.shape[1]
    return np.stack([rng.choice(count, size=count, p=row) for row in probabilities])
