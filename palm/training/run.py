"""Training one policy: warm start, backend, guards, and the check of what was saved."""

import gc
import logging
import os
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np

from palm.artifacts.policy import TrainingLog
from palm.errors import TrainingError
from palm.evaluation.measure import mean_over_prompts
from palm.evaluation.responses import response_divergences
from palm.evaluation.rollouts import read_rollouts, sample_rollouts
from palm.models.load import load_model
from palm.models.policies import PolicySet
from palm.storage.files import read_json
from palm.training.adapters import copy_policy, policy_state, save_policy, saved_policy_state
from palm.training.guards import Guard, GuardFired, check_objective
from palm.training.objective import Problem
from palm.training.soup import starting_state

log = logging.getLogger(__name__)

_CHECKED_PROMPTS, _CHECKED_RESPONSES = 64, 4
"""Size of the check after training, in training prompts and responses to each."""


def fit_policy(problem: Problem, folder: Path) -> dict:
    """Train a policy and save it.

    Args:
        problem: objective, data and settings.
        folder: folder to fill with the policy, in PEFT's adapter format or, with full fine-tuning, as a whole model,
            and ``training_log.json``, every logged step.

    Returns:
        JSON-able: ``steps`` done, ``resumed_from_step`` (0 for a training in one go), ``metrics`` (the last logged
        step) and ``guard`` (`Guard` as a dict, or None). If a guard fired, the policy is the last good checkpoint.

    Raises:
        PreemptedError: the process was told to stop; a checkpoint is kept.
        TrainingError: a guard fired before there was a checkpoint.
    """
    backend, checkpoints = problem.config.training.backend, problem.checkpoints
    resume = checkpoints.of(backend).latest(_private(problem))
    started = _warm_started(replace(problem, resume=resume))
    try:
        trained = _module(backend).train(started)
    except GuardFired as fired:
        return {**_keep_last_good(problem, fired.guard, folder), "resumed_from_step": _step(resume)}
    save_policy(trained.model, folder)
    logged = _logged(trained.log, folder)
    return {"steps": trained.steps, "metrics": logged, "guard": None, "resumed_from_step": _step(resume)}


def check_policy(problem: Problem, folder: Path, *, step: int) -> dict:
    """Compare a saved policy with the reference on training prompts, as it will be served.

    Args:
        problem: objective, data and settings.
        folder: what `fit_policy` filled.
        step: optimiser steps done.

    Returns:
        JSON-able: ``objective_gain``, mean and standard error of J − J_ref on training prompts, and ``guard``, the
        `Guard` as a dict if J is below J_ref.

    Raises:
        RewardError: a reward misbehaves.
    """
    gc.collect()
    config, weights = problem.config, problem.preference_weights[problem.weighing]
    policies = PolicySet(load_model(problem.base_model, config.base_model.dtype))
    policy = policies.add(problem.checkpoints.policy, folder)
    count = len(problem.prompts.texts)
    chosen = np.unique(np.linspace(0, count - 1, min(_CHECKED_PROMPTS, count)).astype(int)).tolist()
    prompts = problem.prompts.take(chosen)
    ours = sample_rollouts(
        policy,
        prompts,
        [problem.rewards[index] for index in problem.weighing],
        [],
        config=config,
        samples=_CHECKED_RESPONSES,
        seed=config.training.seed,
        on_batch=lambda done, total: problem.on_step(done, total, "responses of the check"),
    )
    divergences = response_divergences(policy, ours.prompts, ours.token_ids, batch_size=config.generation.batch_size)
    reference = read_rollouts(problem.rollouts / "train.parquet", problem.weighing_names).rewards[chosen]
    objective = ours.rewards @ weights - config.beta * divergences
    difference = objective - (reference @ weights).mean(axis=1, keepdims=True)
    guard = check_objective(difference, step=step)
    return {"objective_gain": mean_over_prompts(difference).model_dump(), "guard": guard and guard.to_dict()}


def _private(problem: Problem) -> Path:
    """A folder of this process alone: several may train the policy together."""
    return problem.scratch / f"process-{os.getpid()}"


def _module(backend: str):
    return import_module(f"palm.training.{backend}")


def _warm_started(problem: Problem) -> Problem:
    """The problem with the state to start from, unless a checkpoint holds a later one."""
    settings = problem.config.training
    if problem.resume is not None:
        return problem
    if problem.start is not None:
        return replace(problem, initial=saved_policy_state(problem.start))
    if settings.start == "none":
        return problem
    before = settings.model_copy(update={"backend": settings.start, "warm_start": "none"})
    earlier = replace(problem, config=problem.config.model_copy(update={"training": before}))
    resume = problem.checkpoints.of(settings.start).latest(_private(problem))
    try:
        model = _module(settings.start).train(replace(earlier, resume=resume)).model
    except GuardFired as fired:
        raise TrainingError(
            f"training of {problem.checkpoints.policy}",
            rule=f"{fired.guard.message}, in its warm start by {settings.start}",
            remedy=f"lower the learning rate of {settings.start}, or set training.warm_start to none",
        ) from fired
    state = starting_state(model, settings.lora) if settings.start == "soup" else policy_state(model)
    initial = {name: weight.detach().cpu().clone() for name, weight in state.items()}
    # Else two models are in memory while the next one trains.
    del model, state
    gc.collect()
    return replace(problem, initial=initial)


def _keep_last_good(problem: Problem, guard: Guard, folder: Path) -> dict:
    checkpoint = problem.checkpoints.of(problem.config.training.backend).latest(
        _private(problem) / "last-good", up_to=guard.good_step
    )
    if checkpoint is None:
        raise TrainingError(
            f"training of {problem.checkpoints.policy}",
            rule=f"{guard.message}, before there was a good checkpoint",
            remedy="lower training.learning_rate, or training.checkpoint_steps to keep what was good before",
        )
    log.warning("%s: %s; the policy is the checkpoint of step %d", problem.checkpoints.policy, guard.message,
                _step(checkpoint))  # fmt: skip
    copy_policy(checkpoint, folder)
    history = read_json(checkpoint / "trainer_state.json")["log_history"]
    logged = _logged([entry for entry in history if "loss" in entry], folder)
    return {"steps": _step(checkpoint), "metrics": logged, "guard": guard.to_dict()}


def _logged(entries: list[dict], folder: Path) -> dict:
    """Write the log and give what its last step says."""
    TrainingLog(steps=entries).write(folder)
    last = entries[-1] if entries else {}
    return {key: last[key] for key in ("step", "loss", "reward", "kl") if key in last}


def _step(checkpoint: Path | None) -> int:
    return 0 if checkpoint is None else read_json(checkpoint / "trainer_state.json")["global_step"]
