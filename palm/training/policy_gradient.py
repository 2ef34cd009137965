"""Running a TRL trainer on the scalarised objective: the common part of RLOO and GRPO."""

from collections.abc import Callable

import numpy as np

from palm.config.training import Training
from palm.models.load import load_model
from palm.models.prompts import encode_prompts, trl_prompt
from palm.rewards.scoring import score_one
from palm.rewards.source import RewardSource
from palm.training.adapters import load_policy_state, lora_config
from palm.training.callbacks import checkpoint_arguments, finished_result, trainer_callbacks
from palm.training.guards import GuardFired
from palm.training.task import Leg, LoadedTask, Start, TrainingResult


def run_trainer(
    loaded: LoadedTask, leg: Leg, start: Start, trainer_class: type, config_class: type, faithful: dict
) -> TrainingResult:
    """Train a policy with one of TRL's online trainers and the settings that make it maximise exactly J_w.

    Raises:
        GuardFired: the training diverges.
        PreemptedError: the process received SIGTERM.
    """
    from datasets import Dataset
    from transformers import PrinterCallback, set_seed

    settings, steps = loaded.task.settings, leg.steps
    base = load_model(loaded.base_model, loaded.task.training_dtype)
    schedule = prompt_schedule(
        len(loaded.prompts.texts), steps=steps, prompts_per_step=settings.prompts_per_step, seed=settings.seed
    )
    rows = [{"prompt": trl_prompt(base.tokenizer, loaded.prompts.texts[i]), "index": i} for i in schedule.tolist()]
    if settings.lora is None and start.state is not None:
        load_policy_state(base.model, start.state)
    set_seed(settings.seed)
    # The base with a `peft_config`, not a PEFT model: TRL would take that as its reference.
    trainer = trainer_class(
        model=base.model,
        args=config_class(**{**_common_arguments(loaded, leg, base.tokenizer), **faithful}),
        reward_funcs=[_reward_function(source, loaded, base.tokenizer) for source in loaded.rewards],
        train_dataset=Dataset.from_list(rows),
        processing_class=base.tokenizer,
        peft_config=None if settings.lora is None else lora_config(settings.lora, base.model),
        callbacks=trainer_callbacks(loaded, leg, note="reward"),
    )
    trainer.remove_callback(PrinterCallback)
    if settings.lora is not None and start.state is not None:
        load_policy_state(trainer.model, start.state)
    try:
        trainer.train(resume_from_checkpoint=start.checkpoint and str(start.checkpoint))
    except RuntimeError as error:
        # Weights can be finite and so large that logits are not: then sampling fails before anything is logged.
        if "probability tensor" not in str(error):
            raise
        step = trainer.state.global_step
        message = f"no response can be sampled after step {step}"
        raise GuardFired("loss", message, step=step, good_step=step - 1) from error
    return finished_result(
        loaded, trainer.model.eval(), trainer.state, steps=steps, remedy="give more training prompts"
    )


def prompt_schedule(prompts: int, *, steps: int, prompts_per_step: int, seed: int) -> np.ndarray:
    """The prompts of each step: shuffled passes over all prompts, none twice in a step.

    The whole schedule is one epoch for the trainer, which would shuffle differently when it resumes in a later epoch.

    Args:
        prompts: number of prompts, at least prompts_per_step.

    Returns:
        Indices of prompts, shape (steps · prompts_per_step,).
    """
    rng = np.random.default_rng(seed)
    steps_per_pass = prompts // prompts_per_step
    passes = [rng.permutation(prompts)[: steps_per_pass * prompts_per_step] for _ in range(-(-steps // steps_per_pass))]
    return np.concatenate(passes)[: steps * prompts_per_step]


def _common_arguments(loaded: LoadedTask, leg: Leg, tokenizer) -> dict:
    settings, objective = loaded.task.settings, loaded.task.objective
    responses = settings.prompts_per_step * settings.responses_per_prompt
    return {
        "output_dir": str(loaded.scratch / leg.backend),
        "max_steps": leg.steps,
        "per_device_train_batch_size": settings.micro_batch_size,
        "gradient_accumulation_steps": responses // (settings.micro_batch_size * settings.world_size),
        "num_generations": settings.responses_per_prompt,
        "max_completion_length": objective.generation.max_new_tokens,
        "shuffle_dataset": False,
        "num_iterations": 1,
        # A mixture-of-experts model's own loss would be added to J.
        "router_aux_loss_coef": 0.0,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": settings.warmup_steps,
        "beta": objective.beta,
        "reward_weights": objective.weights.tolist(),
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "disable_dropout": True,
        "gradient_checkpointing": settings.activation_checkpointing,
        "bf16": objective.dtype == "bfloat16",
        "seed": settings.seed,
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        **checkpoint_arguments(settings),
        **_vllm_arguments(loaded, settings, tokenizer),
    }


def _vllm_arguments(loaded: LoadedTask, settings: Training, tokenizer) -> dict:
    vllm = settings.vllm
    if vllm is None:
        return {}
    if vllm.mode == "server":
        return {"use_vllm": True, "vllm_mode": "server", "vllm_server_base_url": vllm.server_url}
    longest = max(map(len, encode_prompts(tokenizer, loaded.prompts.texts)))
    return {
        "use_vllm": True,
        "vllm_mode": "colocate",
        "vllm_gpu_memory_utilization": vllm.gpu_memory_share,
        # Otherwise vLLM reserves memory for the model's whole context.
        "vllm_max_model_length": longest + loaded.task.objective.generation.max_new_tokens,
    }


def _reward_function(source: RewardSource, loaded: LoadedTask, tokenizer) -> Callable:
    """A reward in TRL's form; scores are checked, so that TRL never gets a missing one to skip."""

    def reward(completion_ids, index, **_):
        # Decoded here as in evaluation: TRL's own text may lack what a response template cuts off.
        texts = tokenizer.batch_decode(completion_ids, skip_special_tokens=True)
        return score_one(source, loaded.prompts.take(index), texts).tolist()

    reward.__name__ = source.spec.name
    return reward
