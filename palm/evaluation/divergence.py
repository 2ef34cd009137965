"""Sequence-level KL(π ‖ π_ref) from full-vocabulary logits."""

from palm.models.load import LoadedModel

_BLOCK_NUMBERS = 2_000_000
"""Numbers per block when log-probabilities are compared: a block fits the cache of a CPU and adds little memory."""


def sequence_divergence(
    policy: LoadedModel, prompt_ids: list[list[int]], response_ids: list[list[int]], *, batch_size: int
) -> list[float]:
    """Estimate KL(π(.|x) ‖ π_ref(.|x)) in nats from responses sampled from the policy.

    The estimate is the sum over response tokens of the exact KL between the two next-token distributions: unbiased like
    the sampled log-ratio, with less variance (docs/method.md, Statistics).

    Args:
        policy: a policy with its reference (`LoadedModel.reference`).
        response_ids: sampled token ids, end token included, length n.

    Returns:
        One estimate ≥ 0 per response, length n.
    """
    import torch

    order = sorted(range(len(prompt_ids)), key=lambda i: (len(response_ids[i]), len(prompt_ids[i])))
    result = [0.0] * len(order)
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            divergences = _batch(policy, [prompt_ids[i] for i in batch], [response_ids[i] for i in batch])
            for index, value in zip(batch, divergences.tolist(), strict=True):
                result[index] = value
    return result


def _batch(policy: LoadedModel, prompts: list[list[int]], responses: list[list[int]]):
    import torch

    width = max(map(len, responses))
    pad = policy.tokenizer.pad_token_id
    longest = max(map(len, prompts))
    rows, masks = [], []
    for prompt, response in zip(prompts, responses, strict=True):
        left, right = longest - len(prompt), width - len(response)
        rows.append([pad] * left + prompt + response + [pad] * right)
        masks.append([0] * left + [1] * (len(prompt) + len(response)) + [0] * right)
    ids = torch.tensor(rows, device=policy.device)  # (B, P + C)
    mask = torch.tensor(masks, device=policy.device)
    # Left padding shifts positions; absolute positions are counted from the first real token.
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": positions, "logits_to_keep": width + 1}
    ours = policy.model(**inputs).logits
    with policy.reference() as reference:
        theirs = reference(**inputs).logits
    return _summed(ours, theirs, mask[:, -width:].bool())


def _summed(ours, theirs, real):
    """KL summed over the real tokens (B, C) of each response, from logits of shape (B, C + 1, V), last one unused."""
    import torch
    from torch.nn.functional import kl_div

    result = torch.zeros(real.shape, dtype=torch.float64, device=real.device)
    places = real.nonzero()  # (T, 2)
    for block in places.split(max(1, _BLOCK_NUMBERS // ours.shape[-1])):
        row, column = block.unbind(1)
        target, other = (logits[row, column].float().log_softmax(-1) for logits in (ours, theirs))
        # Rounding can leave a divergence of 0 a little below it.
        result[row, column] = kl_div(other, target, reduction="none", log_target=True).sum(-1).clamp(min=0).double()
    return result.sum(-1)
