"""Sampling responses from a policy: temperature 1, nothing cut off the distribution."""

import hashlib
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from palm.errors import ModelError
from palm.models.load import LoadedModel
from palm.models.prompts import encode_prompts

SAMPLER = "inverse-cdf"
"""Algorithm that turns random numbers into tokens; part of the definition of stored samples."""


@dataclass(frozen=True)
class Response:
    """One sampled response.

    Attributes:
        text: decoded, without special tokens.
        token_ids: as sampled, the end token included.
        truncated: whether it reached the token limit before it ended.
    """

    text: str
    token_ids: list[int]
    truncated: bool


def generate(
    policy: LoadedModel,
    prompts: list[str],
    *,
    max_new_tokens: int,
    batch_size: int,
    seed: int,
    temperature: float = 1.0,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> list[Response]:
    """Sample one response for every prompt, in batches of similar length.

    Every response has its own random numbers, made from the seed, the prompt's text and the number of earlier responses
    to it. Batches and other prompts change only rounding, and policies are compared on common random numbers.

    Args:
        prompts: texts, length p; a repeated prompt gets several responses.
        seed: seed of sampling; the same seed, prompts and batch size give the same responses on one machine.
        temperature: 1 samples the certified policy; 0 takes the likeliest token.
        on_batch: called with (prompts done, prompts in total) after every batch.

    Returns:
        The responses in the order of the prompts, length p.

    Raises:
        ModelError: the temperature is out of range, or the model gives a probability that is not a number.
    """
    import torch

    unique = list(dict.fromkeys(prompts))
    encoded = dict(zip(unique, encode_prompts(policy.tokenizer, unique), strict=True))
    order = sorted(range(len(prompts)), key=lambda index: len(encoded[prompts[index]]))
    streams = _streams(prompts, seed)
    responses: list[Response | None] = [None] * len(prompts)
    settings = _settings(policy, max_new_tokens, temperature)
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            ids = [encoded[prompts[index]] for index in batch]
            inputs = policy.tokenizer.pad({"input_ids": ids}, return_tensors="pt").to(policy.device)
            width = inputs["input_ids"].shape[1]
            numbers = np.stack([np.random.default_rng(streams[index]).random(max_new_tokens) for index in batch])
            output = policy.model.generate(
                **inputs,
                generation_config=settings,
                logits_processor=_sampler(torch.tensor(numbers, device=policy.device), width, temperature),
            )
            for index, tokens in zip(batch, output[:, width:].tolist(), strict=True):
                responses[index] = _cut(policy, tokens)
            on_batch(min(start + batch_size, len(order)), len(order))
    return responses


def _streams(prompts: list[str], seed: int) -> list[list[int]]:
    """Seeds of the random numbers of each response."""
    seen: Counter = Counter()
    streams = []
    for text in prompts:
        name = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
        streams.append([seed, name, seen[text]])
        seen[text] += 1
    return streams


def _sampler(numbers, width: int, temperature: float) -> list:
    """Logits processors that leave only the drawn token; none for temperature 0.

    The inverse of the cumulative distribution needs one random number per response and token. `torch.multinomial`
    draws one for every word of the vocabulary, which takes longer than the forward pass of a small model.
    """
    import torch
    from transformers import LogitsProcessor

    class InverseCdf(LogitsProcessor):
        def __call__(self, input_ids, scores):
            # In float64: in float32 sums over a large vocabulary lose rare tokens.
            cumulative = (scores / temperature).softmax(-1).cumsum(-1, dtype=torch.float64)
            total = cumulative[:, -1:]
            if not total.isfinite().all():
                raise ModelError(
                    "the model",
                    rule="gives probabilities that are not numbers",
                    remedy="its weights are damaged, or training diverged: train it again",
                )
            point = numbers[:, input_ids.shape[1] - width, None] * total
            # The product of a number below 1 and the total can round up to the total.
            token = torch.searchsorted(cumulative, point, right=True).clamp(max=scores.shape[1] - 1)
            return torch.full_like(scores, -math.inf).scatter_(1, token, 0.0)

    return [InverseCdf()] if temperature > 0 else []


def _settings(policy: LoadedModel, max_new_tokens: int, temperature: float):
    from transformers import GenerationConfig

    if not 0 <= temperature < math.inf:
        raise ModelError(
            f"temperature={temperature}",
            rule="must be finite and not negative",
            remedy="use 1 for the certified policy",
        )
    # The sampler leaves one token, so greedy decoding takes the drawn one.
    return GenerationConfig(
        max_new_tokens=max_new_tokens,
        eos_token_id=list(policy.end_ids),
        pad_token_id=policy.tokenizer.pad_token_id,
        do_sample=False,
    )


def _cut(policy: LoadedModel, ids: list[int]) -> Response:
    end = next((place for place, token in enumerate(ids) if token in policy.end_ids), None)
    kept = ids if end is None else ids[: end + 1]
    return Response(policy.tokenizer.decode(kept, skip_special_tokens=True), kept, truncated=end is None)
