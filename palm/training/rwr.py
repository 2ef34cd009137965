"""Reward-weighted regression: imitate the reference's own best responses.

The optimum is a tilt of the reference, π_w ∝ π_ref exp(w·r / β). Resampling scored reference rollouts with
probability softmax(w·r / β) within each prompt gives samples of it, and maximum likelihood on them projects it onto
the policy. Nothing is generated: all policies share one set of rollouts.
"""

import numpy as np
from scipy.special import softmax

from palm.evaluation.rollouts import read_rollouts
from palm.models.load import load_model
from palm.models.prompts import encode_prompts
from palm.models.supervised import Pair, fit
from palm.training.adapters import load_policy_state, new_policy
from palm.training.callbacks import check_finished, checkpoint_arguments, trainer_callbacks
from palm.training.objective import Problem, Trained

BACKEND = "rwr"


def train(problem: Problem) -> Trained:
    """Train a policy by reward-weighted regression.

    Args:
        problem: objective, data and settings.

    Returns:
        The trained policy and its log.

    Raises:
        GuardFired: the loss is not finite.
        PreemptedError: the process was told to stop.

    Source: reward-weighted regression (Peters and Schaal 2007) with the tilt of arXiv 2604.04144.
    """
    from trl.trainer.utils import disable_dropout_in_model

    settings, rwr = problem.config.training, problem.config.training.rwr
    base = load_model(problem.base_model, problem.config.training_dtype)
    rollouts = read_rollouts(problem.rollouts / "train.parquet", problem.weighing_names)
    rng = np.random.default_rng(settings.seed)
    weights = problem.preference_weights[problem.weighing]
    chosen = resample(rollouts.rewards, weights, beta=problem.config.beta, rng=rng)
    prompt_ids = encode_prompts(base.tokenizer, problem.prompts.texts)
    pairs = [
        Pair(prompt_ids[prompt], rollouts.token_ids[prompt][sample])
        for prompt, samples in enumerate(chosen)
        for sample in samples
    ]
    disable_dropout_in_model(base.model)
    model = new_policy(base.model, settings.lora, seed=settings.seed)
    if problem.initial is not None:
        load_policy_state(model, problem.initial)
    steps = max(1, rwr.epochs * len(pairs) // rwr.batch_size)
    state = fit(
        model,
        base.tokenizer,
        pairs,
        steps=steps,
        batch_size=rwr.batch_size,
        learning_rate=rwr.learning_rate,
        seed=settings.seed,
        scratch=problem.scratch / BACKEND,
        micro_batch_size=rwr.micro_batch_size,
        processes=settings.world_size,
        equal_tokens=True,
        callbacks=trainer_callbacks(problem, BACKEND, note="loss"),
        resume=problem.resume,
        bf16=problem.bfloat16,
        gradient_checkpointing=settings.activation_checkpointing,
        **checkpoint_arguments(problem),
    )
    check_finished(problem, state, steps=steps, remedy="run it again")
    return Trained(model, [entry for entry in state.log_history if "loss" in entry], state.global_step)


def resample(rewards: np.ndarray, weights: np.ndarray, *, beta: float, rng: np.random.Generator) -> np.ndarray:
    """Draw as many rollouts per prompt as there are, with probability softmax(w·r / β).

    Args:
        rewards: shape (p, n, d).
        weights: preference weights, shape (d,).
        beta: β > 0.
        rng: source of randomness.

    Returns:
        Indices of the drawn samples, shape (p, n).
    """
    probabilities = softmax(rewards @ weights / beta, axis=1)
    count = rewards.shape[1]
    return np.stack([rng.choice(count, size=count, p=row) for row in probabilities])
