"""Likeliest answers of a policy, by which it is recognised behind a server."""

from palm.artifacts.answers import Answers, LikeliestAnswer
from palm.models.generate import generate
from palm.models.load import LoadedModel
from palm.models.prompts import encode_prompts

_KEPT = 4
_BROKEN = "\ufffd"
"""What a part of a character is decoded to."""
_MARGIN = 0.25
"""How much likelier than the second, in nats, a token must be: 16 bits or other kernels change less."""


def likeliest_answers(policy: LoadedModel, prompts: list[str], *, max_new_tokens: int, batch_size: int) -> Answers:
    """Answer prompts with the likeliest tokens, and keep the answers that tell the policy best from the base model."""
    found, prompts = [], list(dict.fromkeys(prompts))
    answers = generate(policy, prompts, max_new_tokens=max_new_tokens, batch_size=batch_size, seed=0, temperature=0)
    for ids, answer in zip(encode_prompts(policy.tokenizer, prompts), answers, strict=True):
        certain = _certain(policy, policy.model, ids, answer.token_ids)
        kept, text = continuation(policy.tokenizer, ids, certain)
        if not kept:
            continue
        with policy.reference() as base:
            same = len(_certain(policy, base, ids, kept, margin=0.0)) == len(kept)
        found.append(LikeliestAnswer(prompt=tuple(ids), text=text, tokens=len(kept), base_model=same))
    found.sort(key=lambda answer: (answer.base_model, -answer.tokens))
    return Answers(answers=tuple(found[:_KEPT]))


def continuation(tokenizer: object, prompt: list[int], answer: list[int]) -> tuple[list[int], str]:
    """The longest beginning of an answer that is whole characters, and its text after the prompt, as servers give it.

    Alone, an answer may be decoded to another text: some decoders drop a space at the start.
    """
    before = _decoded(tokenizer, prompt)
    for end in range(len(answer), 0, -1):
        text = _decoded(tokenizer, prompt + answer[:end])
        if text.startswith(before) and text != before and _BROKEN not in text[len(before) :]:
            return answer[:end], text[len(before) :]
    return [], ""


def _decoded(tokenizer: object, ids: list[int]) -> str:
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def _certain(
    policy: LoadedModel, model: object, prompt: list[int], answer: list[int], margin: float = _MARGIN
) -> list[int]:
    """The tokens of an answer, without its end, up to the first that is not the likeliest by a margin."""
    import torch

    with torch.inference_mode():
        ids = torch.tensor([prompt + answer], device=policy.device)
        logits = model(input_ids=ids, logits_to_keep=len(answer) + 1).logits[0, :-1].float()
    best, second = logits.topk(2).values.unbind(-1)
    for place, token in enumerate(answer):
        certain = best[place] - second[place] > margin and int(logits[place].argmax()) == token
        if not certain or token in policy.end_ids:
            return answer[:place]
    return answer
