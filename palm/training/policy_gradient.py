"""Running a TRL trainer on the scalarised objective: what RLOO and GRPO have in common."""

from collections.abc import Callable

import numpy as np

from palm.models.load import load_model
from palm.models.prompts import encode_prompts, trl_prompt
from palm.rewards.scoring import score_one
from palm.rewards.source import RewardSource
from palm.training.adapters import load_policy_state, lora_config
from palm.training.callbacks import check_finished, checkpoint_arguments, trainer_callbacks
from palm.training.guards import Guard, GuardFired
from palm.training.objective import Problem, Trained


def run(problem: Problem, trainer_class: type, config_class: type, faithful: dict) -> Trained:
    """Train a policy with one of TRL's online trainers.

    Args:
        problem: objective, data and settings.
        trainer_class: TRL trainer.
        config_class: its configuration.
        faithful: the settings that make it maximise J_w and nothing else.

    Returns:
        The trained policy and its log.

    Raises:
        GuardFired: training can only get worse.
        PreemptedError: the process was told to stop.
    """
    from datasets import Dataset
    from transformers import PrinterCallback, set_seed

    settings, backend = problem.config.training, problem.config.training.backend
    base = load_model(problem.base_model, problem.config.training_dtype)
    schedule = prompt_schedule(
        len(problem.prompts.texts), steps=settings.steps, prompts_per_step=settings.prompts_per_step, seed=settings.seed
    )
    rows = [{"prompt": trl_prompt(base.tokenizer, problem.prompts.texts[i]), "index": i} for i in schedule.tolist()]
    if settings.lora is None and problem.initial is not None:
        load_policy_state(base.model, problem.initial)
    set_seed(settings.seed)
    # The base with a `peft_config`, not a PEFT model: TRL would take that as its reference.
    trainer = trainer_class(
        model=base.model,
        args=config_class(**{**_common_arguments(problem, base.tokenizer), **faithful}),
        reward_funcs=[_reward_function(problem.rewards[index], problem, base.tokenizer) for index in problem.weighing],
        train_dataset=Dataset.from_list(rows),
        processing_class=base.tokenizer,
        peft_config=None if settings.lora is None else lora_config(settings.lora),
        callbacks=trainer_callbacks(problem, backend, note="reward"),
    )
    trainer.remove_callback(PrinterCallback)
    if settings.lora is not None and problem.initial is not None:
        load_policy_state(trainer.model, problem.initial)
    try:
        trainer.train(resume_from_checkpoint=problem.resume and str(problem.resume))
    except RuntimeError as error:
        # Weights can be finite and so large that logits are not: then sampling fails before anything is logged.
        if "probability tensor" not in str(error):
            raise
        step = trainer.state.global_step
        raise GuardFired(Guard("loss", f"no response can be sampled after step {step}", step, step - 1)) from error
    check_finished(problem, trainer.state, steps=settings.steps, remedy="give more training prompts")
    log = [entry for entry in trainer.state.log_history if "loss" in entry]
    return Trained(trainer.model.eval(), log, trainer.state.global_step)


def prompt_schedule(prompts: int, *, steps: int, prompts_per_step: int, seed: int) -> np.ndarray:
    """Which prompts each step sees: shuffled passes over all prompts, none twice in a step.

    The whole schedule is one epoch for the trainer, whose own shuffling starts anew when it resumes in a later epoch.

    Args:
        prompts: how many there are; at least prompts_per_step.
        steps: policy-gradient steps.
        prompts_per_step: distinct prompts per step.
        seed: seed of the shuffling.

    Returns:
        Indices of prompts, shape (steps · prompts_per_step,).
    """
    rng = np.random.default_rng(seed)
    steps_per_pass = prompts // prompts_per_step
    passes = [rng.permutation(prompts)[: steps_per_pass * prompts_per_step] for _ in range(-(-steps // steps_per_pass))]
    return np.concatenate(passes)[: steps * prompts_per_step]


def _common_arguments(problem: Problem, tokenizer) -> dict:
    settings = problem.config.training
    responses = settings.prompts_per_step * settings.responses_per_prompt
    return {
        "output_dir": str(problem.scratch / settings.backend),
        "max_steps": settings.steps,
        "per_device_train_batch_size": settings.micro_batch_size,
        "gradient_accumulation_steps": responses // (settings.micro_batch_size * settings.world_size),
        "num_generations": settings.responses_per_prompt,
        "max_completion_length": problem.config.generation.max_new_tokens,
        "shuffle_dataset": False,
        "num_iterations": 1,
        # A mixture-of-experts model's own loss would be added to J.
        "router_aux_loss_coef": 0.0,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": settings.warmup_steps,
        "beta": problem.config.beta,
        "reward_weights": problem.preference_weights[problem.weighing].tolist(),
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "disable_dropout": True,
        "gradient_checkpointing": settings.activation_checkpointing,
        "bf16": problem.bfloat16,
        "seed": settings.seed,
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        **checkpoint_arguments(problem),
        **_vllm_arguments(problem, tokenizer),
    }


def _vllm_arguments(problem: Problem, tokenizer) -> dict:
    vllm = problem.config.training.vllm
    if vllm is None:
        return {}
    if vllm.mode == "server":
        return {"use_vllm": True, "vllm_mode": "server", "vllm_server_base_url": vllm.server_url}
    longest = max(map(len, encode_prompts(tokenizer, problem.prompts.texts)))
    return {
        "use_vllm": True,
        "vllm_mode": "colocate",
        "vllm_gpu_memory_utilization": vllm.gpu_memory_share,
        # Else vLLM sets memory aside for the model's whole context.
        "vllm_max_model_length": longest + problem.config.generation.max_new_tokens,
    }


def _reward_function(source: RewardSource, problem: Problem, tokenizer) -> Callable:
    """A reward in TRL's form; scores are checked, so that TRL never gets a missing one to skip."""

    def reward(completion_ids, index, **_):
        # Decoded here as in evaluation: TRL's own text may lack what a response template cuts off.
        texts = tokenizer.batch_decode(completion_ids, skip_special_tokens=True)
        return score_one(source, problem.prompts.take(index), texts).tolist()

    reward.__name__ = source.spec.name
    return reward
