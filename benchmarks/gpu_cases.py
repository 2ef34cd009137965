"""Tokens per second of generation and training, beside what the card could do at most."""

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from results import Section

from palm.config.training import Lora
from palm.models.generate import generate
from palm.models.load import load_model
from palm.models.supervised import Pair, fit
from palm.training.adapters import new_policy

MISSING = "No GPU was at hand when this was written."

CARDS = {
    "H200": (989e12, 4.8e12),
    "H100": (989e12, 3.35e12),
    "A100": (312e12, 2.0e12),
    "L40S": (362e12, 0.864e12),
    "L4": (121e12, 0.3e12),
}
"""Dense bf16 operations and bytes of memory traffic per second, by the makers' data sheets (SXM modules)."""


@dataclass(frozen=True)
class Size:
    """A Llama with random weights, and how much it is given to do.

    Attributes:
        vocabulary, hidden, intermediate, layers, heads, key_value_heads: shape of the model.
        dtype: of its weights.
        batch: responses generated, and pairs trained on, at once.
        tokens: of a prompt and of a response.
        steps: optimiser steps.
    """

    vocabulary: int = 151_936
    hidden: int = 896
    intermediate: int = 4864
    layers: int = 24
    heads: int = 14
    key_value_heads: int = 2
    dtype: str = "bfloat16"
    batch: int = 256
    tokens: int = 256
    steps: int = 10


def gpu() -> Section:
    """The measurement, or that there was no GPU."""
    import torch

    title = "GPU: tokens per second of a 0.5B model with random weights"
    if not torch.cuda.is_available():
        return Section(
            title=title, note=MISSING, columns=("", "tokens/s"), rows=[["generation", "-"], ["training", "-"]]
        )
    name = torch.cuda.get_device_name()
    measured = throughput(Size())
    card = next((limits for key, limits in CARDS.items() if key in name), None)
    rows = []
    for what in ("generation", "training"):
        limit = None if card is None else limit_of(what, Size(), measured["parameters"], *card)
        rows.append([
            what, f"{measured[what]:,.0f}", "unknown" if limit is None else f"{limit:,.0f}",
            "" if limit is None else f"{measured[what] / limit:.1%}",
        ])  # fmt: skip
    return Section(
        title=title,
        note=f"{name}, {measured['parameters'] / 1e6:.0f} million parameters, bf16, batches of {Size().batch}, prompts "
        f"and responses of {Size().tokens} tokens, through transformers (`training.vllm` unset). The limit of "
        "generation: every token of the batch needs all weights read once from memory. Of training a LoRA adapter: "
        "4 operations a parameter and token (forward, and backward to the activations), at the card's bf16 peak.",
        columns=("", "tokens/s", "card's limit", "share"),
        rows=rows,
    )


def throughput(size: Size) -> dict:
    """Measure on the GPU if there is one, else on the processor.

    Args:
        size: model and work.

    Returns:
        ``parameters``, and tokens per second of ``generation`` (response tokens) and ``training`` (prompt and response
        tokens of a LoRA step: forward, backward, optimiser).
    """
    import torch

    with TemporaryDirectory() as name:
        folder = Path(name)
        build_model(size, folder / "model")
        base = load_model(folder / "model", size.dtype)
        prompts = [
            " ".join(f"w{(7 * row + column) % 1000}" for column in range(size.tokens)) for row in range(size.batch)
        ]
        generate(base, prompts[:2], max_new_tokens=2, batch_size=2, seed=0)
        start = time.perf_counter()
        responses = generate(base, prompts, max_new_tokens=size.tokens, batch_size=size.batch, seed=0)
        generated = sum(len(response.token_ids) for response in responses) / (time.perf_counter() - start)
        prompt_ids = base.tokenizer(prompts)["input_ids"]
        pairs = [Pair(prompt, response.token_ids) for prompt, response in zip(prompt_ids, responses, strict=True)]
        parameters = sum(weight.numel() for weight in base.model.parameters())
        policy = new_policy(base.model, Lora(), seed=0)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        options = {"batch_size": size.batch, "micro_batch_size": max(1, size.batch // 16), "learning_rate": 1e-4,
                   "seed": 0, "bf16": size.dtype == "bfloat16"}  # fmt: skip
        fit(policy, base.tokenizer, pairs, steps=1, scratch=folder / "warm", **options)
        start = time.perf_counter()
        fit(policy, base.tokenizer, pairs, steps=size.steps, scratch=folder / "timed", **options)
        tokens = size.steps * sum(len(pair.prompt_ids) + len(pair.response_ids) for pair in pairs)
        trained = tokens / (time.perf_counter() - start)
    return {"parameters": parameters, "generation": generated, "training": trained}


def limit_of(what: str, size: Size, parameters: int, operations: float, bandwidth: float) -> float:
    """Tokens per second that the card cannot exceed.

    Args:
        what: ``generation`` or ``training``.
        size: the work.
        parameters: of the model.
        operations: floating-point operations per second at the number format's peak.
        bandwidth: bytes per second between memory and cores.

    Returns:
        The limit.
    """
    if what == "training":
        return operations / (4 * parameters)
    return size.batch * bandwidth / (2 * parameters)


def build_model(size: Size, folder: Path) -> None:
    """Save a model with random weights and a tokenizer of as many words.

    Args:
        size: of the model.
        folder: destination.
    """
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["<pad>", "<end>", *(f"w{index}" for index in range(size.vocabulary - 2))]
    words_to_ids = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<pad>"))
    words_to_ids.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words_to_ids, pad_token="<pad>", eos_token="<end>")
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=size.vocabulary,
            hidden_size=size.hidden,
            intermediate_size=size.intermediate,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            num_key_value_heads=size.key_value_heads,
            tie_word_embeddings=True,
            eos_token_id=1,
            bos_token_id=None,
            pad_token_id=0,
        )
    )
    model.to(getattr(torch, size.dtype)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
