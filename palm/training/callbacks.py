"""Callbacks of Hugging Face trainers: progress, guards, checkpoints, stopping on request."""

import os
import shutil
from pathlib import Path

from palm.config.training import Training
from palm.errors import PreemptedError, TrainingError
from palm.training.guards import GuardFired, Watchdog, kl_limit
from palm.training.task import Leg, LoadedTask, TrainingResult


def trainer_callbacks(loaded: LoadedTask, leg: Leg, *, note: str) -> list:
    """Instances of `transformers.TrainerCallback` for one leg; `note` names the logged value that progress shows."""
    from transformers import TrainerCallback

    checkpoints = loaded.checkpoints.of(leg.backend)
    watchdog = Watchdog(kl_limit(loaded.task.settings, loaded.task.objective.beta))

    class Watch(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            watchdog.check(logs, step=state.global_step)
            if note in logs:
                loaded.on_step(state.global_step, state.max_steps, f"{leg.backend} {note} {logs[note]:.3f}")

        def on_step_end(self, args, state, control, **kwargs):
            if _any_process(loaded.preempted()):
                control.should_save = control.should_training_stop = True

        def on_save(self, args, state, control, model=None, **kwargs):
            # A step that broke the weights shows in the loss only at the next one.
            for name, weight in model.named_parameters():
                if weight.requires_grad and not weight.isfinite().all():
                    step = state.global_step
                    message = f"{name} is not finite after step {step}"
                    raise GuardFired("loss", message, step=step, good_step=step - 1)
            _wait_for_all()
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            if args.world_size > int(os.environ.get("LOCAL_WORLD_SIZE", "1")):
                _gather_random_states(folder)
            if state.is_world_process_zero and not watchdog.in_doubt:
                checkpoints.publish(folder, state.global_step)
            _wait_for_all()
            shutil.rmtree(folder, ignore_errors=True)

    return [Watch()]


def checkpoint_arguments(settings: Training) -> dict:
    """The trainer arguments that the callbacks need."""
    return {
        "save_strategy": "steps",
        "save_steps": settings.checkpoint_steps,
        # Otherwise the log replaces a loss that is not a number by the mean of the last ones.
        "logging_nan_inf_filter": False,
    }


def finished_result(loaded: LoadedTask, model, state, *, steps: int, remedy: str) -> TrainingResult:
    """The result of a trainer, given its state, that did all its steps.

    Raises:
        PreemptedError: the process received SIGTERM.
        TrainingError: it stopped by itself.
    """
    if state.global_step >= steps:
        return TrainingResult(model, [entry for entry in state.log_history if "loss" in entry], state.global_step)
    if _any_process(loaded.preempted()):
        raise PreemptedError(
            f"training of {loaded.task.name}",
            rule=f"was told to stop by SIGTERM at step {state.global_step} of {steps}",
            remedy="a checkpoint is kept; run it again to go on from there",
        )
    raise TrainingError(f"steps={steps}", rule=f"the trainer stopped after {state.global_step}", remedy=remedy)


def _together() -> bool:
    """Whether several processes train together."""
    from torch import distributed

    return distributed.is_available() and distributed.is_initialized()


def _any_process(flag: bool) -> bool:
    """Whether the flag is set in any of the processes that train together: all must stop at the same step."""
    import torch

    if not _together():
        return flag
    shared = torch.tensor([int(flag)], device="cuda" if torch.cuda.is_available() else "cpu")
    torch.distributed.all_reduce(shared, op=torch.distributed.ReduceOp.MAX)
    return bool(shared.item())


def _wait_for_all() -> None:
    from torch import distributed

    if _together():
        distributed.barrier()


def _gather_random_states(folder: Path) -> None:
    """Complete the first process's checkpoint with the random states that processes on other machines saved there."""
    from torch import distributed

    rank, states = distributed.get_rank(), [b""] * distributed.get_world_size()
    distributed.all_gather_object(states, (folder / f"rng_state_{rank}.pth").read_bytes())
    if rank == 0:
        for other, state in enumerate(states):
            (folder / f"rng_state_{other}.pth").write_bytes(state)
