"""Maximum likelihood on prompt/response pairs: pretraining of tiny models, regression on good rollouts."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """Token ids of a prompt and of the response that is learned, its end token included."""

    prompt_ids: list[int]
    response_ids: list[int]


def fit(
    model,
    tokenizer,
    pairs: list[Pair],
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    scratch: Path,
    bfloat16: bool = False,
    on_step: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> list[dict]:
    """Fit a causal LM to responses given their prompts, in place.

    Args:
        model: the model, or a PEFT model of which only the adapter learns.
        tokenizer: its tokenizer, for padding.
        pairs: training data.
        steps: optimiser steps.
        batch_size: pairs a step.
        learning_rate: peak, AdamW, 3 % warm-up, cosine decay.
        seed: seed of data order.
        scratch: folder the trainer may write to.
        bfloat16: mixed precision.
        on_step: called with (step, steps, loss) at every log.

    Returns:
        The trainer's log: one dict a logged step.
    """
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainerCallback, TrainingArguments

    class Report(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            if logs and "loss" in logs:
                on_step(state.global_step, state.max_steps, logs["loss"])

    rows = [
        {"input_ids": pair.prompt_ids + pair.response_ids, "labels": [-100] * len(pair.prompt_ids) + pair.response_ids}
        for pair in pairs
    ]
    arguments = TrainingArguments(
        output_dir=str(scratch),
        max_steps=steps,
        per_device_train_batch_size=batch_size,
        learning_rate=learning_rate,
        warmup_steps=max(1, round(0.03 * steps)),
        lr_scheduler_type="cosine",
        seed=seed,
        bf16=bfloat16,
        train_sampling_strategy="group_by_length",
        logging_steps=max(1, steps // 50),
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    # The plain Trainer prints every log as a dict; progress is reported through the callback instead.
    from transformers import PrinterCallback

    # Padded on the right: models with absolute positions then count them from the first real token.
    padding = copy.deepcopy(tokenizer)
    padding.padding_side = "right"
    collator = DataCollatorForSeq2Seq(padding, label_pad_token_id=-100)
    trainer = Trainer(model=model, args=arguments, train_dataset=rows, data_collator=collator, callbacks=[Report()])
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    model.eval()
    return [entry for entry in trainer.state.log_history if "loss" in entry]
