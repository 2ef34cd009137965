"""Running a TRL trainer on the scalarised objective: what RLOO and GRPO have in common."""

from collections.abc import Callable

from palm.errors import TrainingError
from palm.models.load import load_model
from palm.models.prompts import trl_prompt
from palm.rewards.scoring import score_one
from palm.rewards.source import RewardSource
from palm.training import rwr
from palm.training.adapters import copy_adapter, lora_config
from palm.training.objective import Problem, Trained


def run(problem: Problem, trainer_class: type, config_class: type, faithful: dict) -> Trained:
    """Train an adapter with one of TRL's online trainers.

    Args:
        problem: objective, data and settings.
        trainer_class: TRL trainer.
        config_class: its configuration.
        faithful: the settings that make it maximise J_w and nothing else.

    Returns:
        The trained adapter and its log.
    """
    from datasets import Dataset
    from transformers import PrinterCallback, set_seed

    settings = problem.config.training
    warm = rwr.train(problem) if settings.warm_start == "rwr" else None
    base = load_model(problem.base_model, problem.config.base_model.dtype)
    rows = [
        {"prompt": trl_prompt(base.tokenizer, text), "index": index} for index, text in enumerate(problem.prompts.texts)
    ]
    set_seed(settings.seed)
    # The base with a `peft_config`, not a PEFT model: TRL would take that as its reference.
    trainer = trainer_class(
        model=base.model,
        args=config_class(**_common_arguments(problem), **faithful),
        reward_funcs=[_reward_function(source, problem, base.tokenizer) for source in problem.rewards],
        train_dataset=Dataset.from_list(rows),
        processing_class=base.tokenizer,
        peft_config=lora_config(settings.lora),
        callbacks=[_progress(problem)],
    )
    trainer.remove_callback(PrinterCallback)
    if warm is not None:
        copy_adapter(warm.model, trainer.model)
    trainer.train()
    if trainer.state.global_step != settings.steps:
        raise TrainingError(
            f"training.steps={settings.steps}",
            rule=f"the trainer stopped after {trainer.state.global_step}",
            remedy="give at least training.prompts_per_step training prompts",
        )
    log = [entry for entry in trainer.state.log_history if "loss" in entry]
    return Trained(trainer.model.eval(), log)


def _common_arguments(problem: Problem) -> dict:
    settings = problem.config.training
    responses = settings.prompts_per_step * settings.responses_per_prompt
    return {
        "output_dir": str(problem.scratch / "trl"),
        "max_steps": settings.steps,
        "per_device_train_batch_size": settings.micro_batch_size,
        "gradient_accumulation_steps": responses // settings.micro_batch_size,
        "num_generations": settings.responses_per_prompt,
        "max_completion_length": problem.config.generation.max_new_tokens,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": settings.warmup_steps,
        "beta": problem.config.beta,
        "reward_weights": [float(weight) for weight in problem.preference_weights],
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "disable_dropout": True,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "bf16": problem.bfloat16,
        "seed": settings.seed,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


def _reward_function(source: RewardSource, problem: Problem, tokenizer) -> Callable:
    """A reward in TRL's form; scores are checked, so that TRL never gets a missing one to skip."""

    def reward(completion_ids, index, **_):
        # Decoded here as in evaluation: TRL's own text may lack what a response template cuts off.
        texts = tokenizer.batch_decode(completion_ids, skip_special_tokens=True)
        return score_one(source, problem.prompts.take(index), texts).tolist()

    reward.__name__ = source.spec.name
    return reward


def _progress(problem: Problem):
    from transformers import TrainerCallback

    class Progress(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            if logs and "reward" in logs:
                problem.on_step(state.global_step, state.max_steps, f"reward {logs['reward']:.3f}")

    return Progress()
