"""Maximum likelihood on prompt/response pairs, for tiny models and reward-weighted regression."""

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_BATCHES_OF_SIMILAR_LENGTH = 50


@dataclass(frozen=True)
class Pair:
    """Token ids of a prompt and of its response, end token included."""

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
    micro_batch_size: int | None = None,
    processes: int = 1,
    equal_tokens: bool = False,
    callbacks: list = (),
    resume: Path | None = None,
    **arguments,
):
    """Fit a causal LM to responses given their prompts, in place.

    Args:
        model: a `transformers.PreTrainedModel`, or a PEFT model of which only the adapter learns.
        batch_size: pairs per step.
        learning_rate: peak, AdamW, 3 % warm-up, cosine decay.
        scratch: folder for the trainer's own files.
        micro_batch_size: pairs per backward pass; None: all of a process's share.
        processes: processes that share a step's pairs.
        equal_tokens: give every token of the training the same weight, which makes it maximum likelihood. By default
            a step's loss is the mean over its own tokens: steadier, but tokens of short responses count more, as pairs
            of similar length share a step.
        callbacks: `transformers.TrainerCallback` of the caller.
        resume: folder of a checkpoint to resume from.
        arguments: further `transformers.TrainingArguments`: precision, checkpoints.

    Returns:
        The trainer's state: ``global_step`` and ``log_history``, one dict per logged step.
    """
    from transformers import DataCollatorForSeq2Seq, PrinterCallback, Trainer, TrainingArguments

    lengths = np.array([len(pair.prompt_ids) + len(pair.response_ids) for pair in pairs])
    order = training_order(lengths, batch_size=batch_size, steps=steps, seed=seed)
    rows = [
        {"input_ids": pair.prompt_ids + pair.response_ids, "labels": [-100] * len(pair.prompt_ids) + pair.response_ids}
        for pair in (pairs[index] for index in order)
    ]
    micro = micro_batch_size or batch_size // processes
    settings = TrainingArguments(
        **{
            "output_dir": str(scratch),
            "max_steps": steps,
            "per_device_train_batch_size": micro,
            "gradient_accumulation_steps": batch_size // (micro * processes),
            "learning_rate": learning_rate,
            "warmup_steps": max(1, round(0.03 * steps)),
            "lr_scheduler_type": "cosine",
            "seed": seed,
            "train_sampling_strategy": "sequential",
            "logging_steps": max(1, steps // 50),
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "dataloader_pin_memory": False,
            **arguments,
        }
    )
    # Padded on the right: models with absolute positions then count them from the first real token.
    padding = copy.deepcopy(tokenizer)
    padding.padding_side = "right"
    collator = DataCollatorForSeq2Seq(padding, label_pad_token_id=-100)
    loss = _equal_tokens_loss(pairs, batch_size, processes) if equal_tokens else None
    trainer = Trainer(
        model=model,
        args=settings,
        train_dataset=rows,
        data_collator=collator,
        callbacks=list(callbacks),
        compute_loss_func=loss,
    )
    # The plain Trainer prints every log as a dict; progress is reported through the callers' callbacks instead.
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=resume and str(resume))
    model.eval()
    return trainer.state


def _equal_tokens_loss(pairs: list[Pair], batch_size: int, processes: int):
    """The negative log-likelihood of a step's tokens over the mean number of tokens per step."""
    from torch.nn.functional import cross_entropy

    tokens_a_step = batch_size * np.mean([len(pair.response_ids) for pair in pairs])

    def loss(outputs, labels, num_items_in_batch=None):
        logits = outputs["logits"][:, :-1].float()  # (B, L - 1, V)
        total = cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100, reduction="sum")
        # Gradients are averaged over the processes, which share the step.
        return total * processes / tokens_a_step

    return loss


def training_order(lengths: np.ndarray, *, batch_size: int, steps: int, seed: int) -> np.ndarray:
    """The pairs of each step: shuffled passes, pairs of similar length together to reduce padding.

    The whole order is one epoch for the trainer, which would shuffle differently when it resumes in a later epoch.

    Args:
        lengths: tokens of each pair, shape (n,).

    Returns:
        Indices of pairs, shape (steps · batch_size,).
    """
    rng = np.random.default_rng(seed)
    wanted = steps * batch_size
    order = np.concatenate([rng.permutation(len(lengths)) for _ in range(-(-wanted // len(lengths)))])[:wanted]
    chunk = _BATCHES_OF_SIMILAR_LENGTH * batch_size
    chunks = [order[start : start + chunk] for start in range(0, wanted, chunk)]
    batches = [
        batch
        for part in (part[np.argsort(-lengths[part], kind="stable")] for part in chunks)
        for batch in rng.permutation(part.reshape(-1, batch_size))
    ]
    return np.concatenate(batches)
