"""Sampling responses from a policy: temperature 1, nothing cut off the distribution."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from palm.errors import ModelError
from palm.models.load import LoadedModel
from palm.models.prompts import encode_prompts


@dataclass(frozen=True)
class Response:
    """One sampled response.

    Attributes:
        text: decoded, special tokens removed.
        token_ids: as sampled, the end token included.
        truncated: whether it was cut at the token limit before it ended.
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

    Args:
        policy: the model; its active adapter answers.
        prompts: texts, length p.
        max_new_tokens: limit of a response, in tokens.
        batch_size: prompts at once.
        seed: seed of sampling; the same seed, prompts and batch size give the same responses on one machine.
        temperature: 1 samples the policy itself (what is certified); 0 takes the likeliest token.
        on_batch: called with (prompts done, prompts in all) after every batch.

    Returns:
        The responses in the order of the prompts, length p.
    """
    import torch

    encoded = encode_prompts(policy.tokenizer, prompts)
    order = sorted(range(len(prompts)), key=lambda index: len(encoded[index]))
    responses: list[Response | None] = [None] * len(prompts)
    settings = _settings(policy, max_new_tokens, temperature)
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            inputs = policy.tokenizer.pad({"input_ids": [encoded[index] for index in batch]}, return_tensors="pt")
            inputs = inputs.to(policy.device)
            output = policy.model.generate(**inputs, generation_config=settings)
            for index, ids in zip(batch, output[:, inputs["input_ids"].shape[1] :].tolist(), strict=True):
                responses[index] = _cut(policy, ids)
            on_batch(min(start + batch_size, len(order)), len(order))
    return responses


def _settings(policy: LoadedModel, max_new_tokens: int, temperature: float):
    from transformers import GenerationConfig

    if not 0 <= temperature < math.inf:
        raise ModelError(
            f"temperature={temperature}",
            rule="must be finite and not negative",
            remedy="use 1 for the certified policy",
        )
    sampling = {"do_sample": True, "temperature": temperature, "top_p": 1.0, "top_k": 0}
    return GenerationConfig(
        max_new_tokens=max_new_tokens,
        eos_token_id=list(policy.end_ids),
        pad_token_id=policy.tokenizer.pad_token_id,
        **(sampling if temperature > 0 else {"do_sample": False}),
    )


def _cut(policy: LoadedModel, ids: list[int]) -> Response:
    end = next((place for place, token in enumerate(ids) if token in policy.end_ids), None)
    kept = ids if end is None else ids[: end + 1]
    return Response(policy.tokenizer.decode(kept, skip_special_tokens=True), kept, truncated=end is None)
