"""Training one policy: its legs, guards, and the check of the saved policy."""

import gc
import logging
import os
from pathlib import Path
from typing import ClassVar

import numpy as np

from palm.artifacts.base import Artifact
from palm.artifacts.evaluation import Guard, Mean
from palm.artifacts.policy import TrainingLog
from palm.errors import TrainingError
from palm.evaluation.measure import mean_over_prompts
from palm.evaluation.responses import response_divergences
from palm.evaluation.rollouts import read_rollouts
from palm.models.answers import likeliest_answers
from palm.models.generate import generate
from palm.models.load import load_model
from palm.models.policies import PolicySet
from palm.rewards.scoring import score
from palm.storage.files import read_json
from palm.training import grpo, rloo, rwr, soup
from palm.training.adapters import copy_policy, policy_state, save_policy, saved_policy_state
from palm.training.guards import GuardFired, check_objective
from palm.training.task import Leg, LoadedTask, Start, TrainingResult

log = logging.getLogger(__name__)

_CHECKED_PROMPTS, _CHECKED_RESPONSES = 64, 4
"""Size of the check after training, in training prompts and responses to each."""
_ANSWERED_PROMPTS, _ANSWER_TOKENS = 16, 24
TRAIN = {"rloo": rloo.train, "grpo": grpo.train, "rwr": rwr.train}


class FittedPolicy(Artifact):
    """What a training says about its policy.

    Attributes:
        steps: optimiser steps done.
        metrics: ``step``, ``loss``, ``reward`` and ``kl`` of the last logged step, where the backend logs them.
        guard: the guard that stopped it, or None; then the policy is the last good checkpoint.
        resumed_from_step: step of the checkpoint that it resumed from; 0 for a training in one go.
    """

    FILE: ClassVar[str] = "fitted.json"

    steps: int
    metrics: dict[str, int | float]
    guard: Guard | None
    resumed_from_step: int


def fit_policy(loaded: LoadedTask, folder: Path) -> FittedPolicy:
    """Train a policy and save it.

    Args:
        folder: folder to fill with the policy, in PEFT's adapter format or, with full fine-tuning, as a whole model,
            and ``training_log.json``, every logged step.

    Raises:
        PreemptedError: the process received SIGTERM; a checkpoint is kept.
        TrainingError: a guard fired before there was a checkpoint.
    """
    *earlier, last = loaded.task.legs
    checkpoint = loaded.checkpoints.of(last.backend).latest(_private(loaded))
    try:
        start = Start(checkpoint=checkpoint) if checkpoint else _start(loaded, earlier, last)
        result = _train(loaded, last, start)
    except GuardFired as fired:
        steps, entries = _restore_last_good(loaded, fired.guard, folder)
        guard = fired.guard
    else:
        save_policy(result.model, folder)
        steps, entries, guard = result.steps, result.log, None
    TrainingLog(steps=entries).write(folder)
    final = entries[-1] if entries else {}
    metrics = {key: final[key] for key in ("step", "loss", "reward", "kl") if key in final}
    return FittedPolicy(steps=steps, metrics=metrics, guard=guard, resumed_from_step=_step(checkpoint))


def check_policy(loaded: LoadedTask, folder: Path, *, step: int) -> tuple[Mean, Guard | None]:
    """Compare a saved policy with the reference on training prompts, as it will be served, and store some answers.

    Args:
        folder: folder that `fit_policy` filled; gets ``answers.json``.
        step: optimiser steps done, for the guard.

    Returns:
        J − J_ref on training prompts, and the guard if J is below J_ref.
    """
    gc.collect()
    task, objective = loaded.task, loaded.task.objective
    policies = PolicySet(load_model(loaded.base_model, objective.dtype))
    policy = policies.add(task.name, folder)
    count = len(loaded.prompts.texts)
    chosen = np.unique(np.linspace(0, count - 1, min(_CHECKED_PROMPTS, count)).astype(int)).tolist()
    prompts = loaded.prompts.take(chosen)
    repeated, batch_size = prompts.repeat(_CHECKED_RESPONSES), objective.generation.batch_size
    responses = generate(
        policy,
        repeated.texts,
        max_new_tokens=objective.generation.max_new_tokens,
        batch_size=batch_size,
        seed=task.settings.seed,
        on_batch=lambda done, total: loaded.on_step(done, total, "responses of the check"),
    )
    rewards = score(loaded.rewards, repeated, [response.text for response in responses])
    divergences = response_divergences(policy, prompts.texts, responses, batch_size=batch_size)
    likeliest_answers(
        policy,
        prompts.texts[:_ANSWERED_PROMPTS],
        max_new_tokens=min(_ANSWER_TOKENS, objective.generation.max_new_tokens),
        batch_size=batch_size,
    ).write(folder)
    reference = read_rollouts(loaded.rollouts / "train.parquet", objective.reward_names).rewards[chosen]
    ours = rewards.reshape(len(chosen), _CHECKED_RESPONSES, -1) @ objective.weights - objective.beta * divergences
    gain = mean_over_prompts(ours - (reference @ objective.weights).mean(axis=1, keepdims=True))
    return gain, check_objective(gain, prompts=len(chosen), step=step)


def _private(loaded: LoadedTask) -> Path:
    """A folder of this process alone: several may train the policy together."""
    return loaded.scratch / f"process-{os.getpid()}"


def _start(loaded: LoadedTask, earlier: list[Leg], leg: Leg) -> Start:
    if leg.start is not None:
        return Start(saved_policy_state(loaded.policies[leg.start]))
    if not earlier:
        return Start()
    *before, warm_up = earlier
    checkpoint = loaded.checkpoints.of(warm_up.backend).latest(_private(loaded))
    start = Start(checkpoint=checkpoint) if checkpoint else _start(loaded, before, warm_up)
    try:
        model = _train(loaded, warm_up, start).model
    except GuardFired as fired:
        raise TrainingError(
            f"training of {loaded.task.name}",
            rule=f"{fired.guard.message}, in its warm start by {warm_up.backend}",
            remedy=f"lower the learning rate of {warm_up.backend}, or set training.warm_start to none",
        ) from fired
    lora = loaded.task.settings.lora
    state = soup.starting_state(model, lora) if warm_up.backend == "soup" else policy_state(model)
    state = {name: weight.detach().cpu().clone() for name, weight in state.items()}
    # Otherwise two models are in memory while the next one trains.
    del model
    gc.collect()
    return Start(state)


def _train(loaded: LoadedTask, leg: Leg, start: Start) -> TrainingResult:
    return soup.interpolate(loaded, leg) if leg.backend == "soup" else TRAIN[leg.backend](loaded, leg, start)


def _restore_last_good(loaded: LoadedTask, guard: Guard, folder: Path) -> tuple[int, list[dict]]:
    """Copy the last good checkpoint's policy; returns its step and its log."""
    backend = loaded.task.legs[-1].backend
    checkpoint = loaded.checkpoints.of(backend).latest(_private(loaded) / "last-good", up_to=guard.good_step)
    if checkpoint is None:
        raise TrainingError(
            f"training of {loaded.task.name}",
            rule=f"{guard.message}, before there was a good checkpoint",
            remedy="lower training.learning_rate, or training.checkpoint_steps to keep what was good before",
        )
    step = _step(checkpoint)
    log.warning("%s: %s; the policy is the checkpoint of step %d", loaded.task.name, guard.message, step)
    copy_policy(checkpoint, folder)
    history = read_json(checkpoint / "trainer_state.json")["log_history"]
    return step, [entry for entry in history if "loss" in entry]


def _step(checkpoint: Path | None) -> int:
    return 0 if checkpoint is None else read_json(checkpoint / "trainer_state.json")["global_step"]
