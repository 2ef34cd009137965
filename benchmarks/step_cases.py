"""Cost of a GRPO step of palm beside a bare TRL script with the same settings."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from results import Section

from palm.builds.inputs import load_inputs
from palm.config.portfolio import PortfolioConfig
from palm.storage.store import Store
from palm.training.checkpoints import Checkpoints
from palm.training.policy_gradient import prompt_schedule
from palm.training.task import LoadedTask, training_task

PAIRS, STEPS, WARM_UP = 6, 40, 5
"""Pairs of runs, GRPO steps of each, and how many of these are not timed."""


@dataclass
class Clock:
    """Takes the time of every step."""

    steps: int
    _start: float = field(default=0.0, init=False)

    def __call__(self, step: int, steps: int, note: str = "") -> None:
        """Start timing once the first steps are done."""
        if step == WARM_UP:
            self._start = time.perf_counter()

    def seconds_per_step(self) -> float:
        """Wall time a step from the warm-up to now."""
        return (time.perf_counter() - self._start) / (self.steps - WARM_UP)


def step_cost(config: PortfolioConfig, base_model: Path, rollouts: Path) -> Section:
    """The comparison as a table.

    Args:
        config: of the quickstart.
        base_model: its prepared base model.
        rollouts: of its reference.
    """
    ours, bare = step_seconds(config, base_model, rollouts)
    ratios = ours / bare
    responses = config.training.prompts_per_step * config.training.responses_per_prompt
    return Section(
        title="Training: a GRPO step of palm beside a bare TRL script",
        note=f"Quickstart model, {responses} responses a step of up to {config.generation.max_new_tokens} tokens, "
        f"{PAIRS} pairs of runs of {STEPS} steps in one process, first one then the other, from step {WARM_UP} to the "
        "end. palm checks every score, watches the guards and keeps a checkpoint every "
        f"{config.training.checkpoint_steps} steps and at the end; the script keeps none.",
        columns=("", "s a step, median", "smallest", "largest"),
        rows=[
            ["palm", *_three(ours, 4)],
            ["bare TRL", *_three(bare, 4)],
            ["ratio", *_three(ratios, 3)],
        ],
    )


def step_seconds(
    config: PortfolioConfig, base_model: Path, rollouts: Path, *, pairs: int = PAIRS, steps: int = STEPS
) -> tuple[np.ndarray, np.ndarray]:
    """Time both in turns.

    Args:
        config: of the quickstart.
        base_model: its prepared base model.
        rollouts: of its reference.
        pairs: runs of each.
        steps: GRPO steps of a run.

    Returns:
        Seconds a step of palm and of the bare script, each of shape (pairs,).
    """
    training = config.training.model_copy(update={"backend": "grpo", "warm_start": "none", "steps": steps})
    config = config.model_copy(update={"training": training})
    ways = {"palm": _palm, "bare": _bare}
    seconds = {way: [] for way in ways}
    for pair in range(pairs):
        for way in ways if pair % 2 == 0 else reversed(ways):
            with TemporaryDirectory() as scratch:
                seconds[way].append(ways[way](config, base_model, rollouts, Path(scratch)))
    return np.array(seconds["palm"]), np.array(seconds["bare"])


def _palm(config: PortfolioConfig, base_model: Path, rollouts: Path, scratch: Path) -> float:
    from palm.training.run import fit_policy

    inputs, clock = load_inputs(config, rollouts), Clock(config.training.steps)
    task = training_task(
        config,
        np.full(len(config.rewards), 1 / len(config.rewards)),
        base_model="base",
        prompts="prompts",
        rewards=[source.fingerprint for source in inputs.rewards],
    )
    loaded = LoadedTask(
        task=task,
        base_model=base_model,
        prompts=inputs.train,
        rewards=inputs.rewards,
        rollouts=rollouts,
        scratch=scratch,
        policies={},
        checkpoints=Checkpoints(Store(str(scratch / "store")), task.name),
        preempted=lambda: False,
        on_step=clock,
    )
    (scratch / "policy").mkdir()
    fit_policy(loaded, scratch / "policy")
    return clock.seconds_per_step()


def _bare(config: PortfolioConfig, base_model: Path, rollouts: Path, scratch: Path) -> float:
    """What one writes with TRL alone; the rewards are the same functions, unchecked."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    settings, clock = config.training, Clock(config.training.steps)
    inputs = load_inputs(config, rollouts)
    tokenizer = AutoTokenizer.from_pretrained(base_model, padding_side="left")

    def reward(source):
        def function(prompts, completions, **_):
            return source.function(
                prompts=[turns[0]["content"] for turns in prompts],
                responses=[turns[0]["content"] for turns in completions],
            )

        function.__name__ = source.spec.name
        return function

    class Timer(TrainerCallback):
        def on_log(self, args, state, control, **kwargs):
            clock(state.global_step, state.max_steps)

    group = settings.responses_per_prompt
    schedule = prompt_schedule(
        len(inputs.train.texts), steps=settings.steps, prompts_per_step=settings.prompts_per_step, seed=settings.seed
    )
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(base_model),
        reward_funcs=[reward(source) for source in inputs.rewards],
        args=GRPOConfig(
            output_dir=str(scratch),
            max_steps=settings.steps,
            per_device_train_batch_size=settings.micro_batch_size,
            gradient_accumulation_steps=settings.prompts_per_step * group // settings.micro_batch_size,
            num_generations=group,
            max_completion_length=config.generation.max_new_tokens,
            shuffle_dataset=False,
            learning_rate=settings.learning_rate,
            lr_scheduler_type="linear",
            warmup_steps=settings.warmup_steps,
            beta=config.beta * (group - 1) / group,
            reward_weights=[1 / len(inputs.rewards)] * len(inputs.rewards),
            temperature=1.0,
            top_p=1.0,
            top_k=0,
            scale_rewards="none",
            loss_type="dr_grpo",
            use_bias_correction_kl=True,
            disable_dropout=True,
            gradient_checkpointing=False,
            bf16=False,
            seed=settings.seed,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        ),
        train_dataset=Dataset.from_list(
            [{"prompt": [{"role": "user", "content": inputs.train.texts[index]}]} for index in schedule.tolist()]
        ),
        processing_class=tokenizer,
        peft_config=LoraConfig(
            r=settings.lora.rank, lora_alpha=settings.lora.alpha, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
        callbacks=[Timer()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return clock.seconds_per_step()


def _three(values: np.ndarray, digits: int) -> list[str]:
    return [f"{value:.{digits}f}" for value in (np.median(values), values.min(), values.max())]
