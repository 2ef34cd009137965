import pytest
import torch
from support.untrained import random_policy

from palm.config.training import Lora
from palm.evaluation.divergence import sequence_divergence
from palm.models.generate import generate
from palm.models.load import LoadedModel, load_model
from palm.models.prompts import encode_prompts
from palm.training.adapters import new_policy

PROMPTS = ["say tea", "tell stone and bread", "oak"]


@pytest.fixture(scope="module")
def policy(base_model):
    base = load_model(base_model)
    return LoadedModel(random_policy(base_model, seed=0, std=0.5), base.tokenizer, base.end_ids)


def log_probabilities(model, ids):
    return model(torch.tensor([ids])).logits[0].log_softmax(-1)


def by_hand(policy, prompt, response):
    ids = prompt + response
    ours = log_probabilities(policy.model, ids)
    with policy.model.disable_adapter():
        reference = log_probabilities(policy.model, ids)
    rows = range(len(prompt) - 1, len(ids) - 1)
    return sum(float((ours[r].exp() * (ours[r] - reference[r])).sum()) for r in rows)


def test_batches_of_unequal_lengths_equal_one_at_a_time(policy):
    prompts = encode_prompts(policy.tokenizer, PROMPTS)
    sampled = generate(policy, PROMPTS, max_new_tokens=10, batch_size=3, seed=0)
    responses = [r.token_ids[:length] for r, length in zip(sampled, (3, 10, 6), strict=True)]
    with torch.inference_mode():
        expected = [by_hand(policy, p, r) for p, r in zip(prompts, responses, strict=True)]
    assert min(expected) > 0.01
    for batch_size in (1, 2, 3):
        assert sequence_divergence(policy, prompts, responses, batch_size=batch_size) == pytest.approx(
            expected, rel=1e-4
        )


def test_an_untrained_adapter_diverges_by_nothing(base_model):
    base = load_model(base_model)
    policy = LoadedModel(new_policy(base.model, Lora(), seed=0).eval(), base.tokenizer, base.end_ids)
    prompts = encode_prompts(policy.tokenizer, PROMPTS)
    assert sequence_divergence(policy, prompts, [[5, 6], [7], [8, 9, 1]], batch_size=2) == pytest.approx([0, 0, 0])


def test_the_base_model_is_its_own_reference(base_model):
    base = load_model(base_model)
    prompts = encode_prompts(base.tokenizer, PROMPTS)
    assert sequence_divergence(base, prompts, [[5, 6], [7], [8, 9, 1]], batch_size=2) == [0, 0, 0]


def test_blocks_do_not_change_the_sum(policy, monkeypatch):
    prompts = encode_prompts(policy.tokenizer, PROMPTS)
    responses = [[5, 6, 20], [7], [8, 9, 1, 30, 40]]
    whole = sequence_divergence(policy, prompts, responses, batch_size=3)
    monkeypatch.setattr("palm.evaluation.divergence._BLOCK_NUMBERS", 1)
    assert sequence_divergence(policy, prompts, responses, batch_size=3) == pytest.approx(whole)


def test_mean_over_samples_is_the_kl_of_whole_responses(policy):
    """Against KL(π ‖ π_ref) summed over every two-token response."""
    prompt = encode_prompts(policy.tokenizer, ["oak"])[0]
    with torch.inference_mode():
        ours = log_probabilities(policy.model, prompt)[-1]
        with policy.model.disable_adapter():
            reference = log_probabilities(policy.model, prompt)[-1]
        exact = float((ours.exp() * (ours - reference)).sum())
        for first in range(len(ours)):
            if first not in policy.end_ids:
                step = by_hand(policy, [*prompt, first], [0])
                exact += float(ours[first].exp()) * step
    count = 3000
    samples = [r.token_ids for r in generate(policy, ["oak"] * count, max_new_tokens=2, batch_size=1000, seed=0)]
    values = torch.tensor(sequence_divergence(policy, [prompt] * count, samples, batch_size=500))
    assert abs(float(values.mean()) - exact) < 4 * float(values.std()) / count**0.5 + 1e-6
