import json
import shutil

import pytest
import torch

from palm.errors import ModelError
from palm.models.generate import generate
from palm.models.load import load_model
from palm.models.prompts import encode_prompts

PROMPTS = ["say tea", "say stone and bread", "say sky", "oak", "say area"]


@pytest.fixture(scope="module")
def policy(base_model):
    return load_model(base_model)


def test_padding_does_not_change_the_likeliest_response(policy):
    together = generate(policy, PROMPTS, max_new_tokens=12, batch_size=5, seed=0, temperature=0)
    alone = [
        generate(policy, [prompt], max_new_tokens=12, batch_size=1, seed=0, temperature=0)[0] for prompt in PROMPTS
    ]
    assert together == alone


def test_likeliest_response_is_the_argmax_path(policy):
    response = generate(policy, ["say tea"], max_new_tokens=6, batch_size=1, seed=0, temperature=0)[0]
    ids = encode_prompts(policy.tokenizer, ["say tea"])[0]
    for token in response.token_ids:
        assert policy.model(torch.tensor([ids])).logits[0, -1].argmax() == token
        ids = [*ids, token]


def test_seed_decides_and_global_randomness_is_left_alone(policy):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first = generate(policy, PROMPTS, max_new_tokens=12, batch_size=2, seed=1)
    assert torch.rand(1) == expected
    assert generate(policy, PROMPTS, max_new_tokens=12, batch_size=2, seed=1) == first
    assert generate(policy, PROMPTS, max_new_tokens=12, batch_size=2, seed=2) != first


def test_batches_order_and_other_prompts_do_not_change_a_response(policy):
    prompts = [*PROMPTS, "say tea", "oak", "say tea"]
    together = generate(policy, prompts, max_new_tokens=12, batch_size=8, seed=1)
    assert len({together[0].text, together[5].text, together[7].text}) > 1
    for batch_size in (1, 3):
        assert generate(policy, prompts, max_new_tokens=12, batch_size=batch_size, seed=1) == together
    assert generate(policy, prompts[4::-1], max_new_tokens=12, batch_size=8, seed=1) == together[4::-1]
    assert generate(policy, ["oak", "oak"], max_new_tokens=12, batch_size=8, seed=1) == [together[3], together[6]]


def test_damaged_weights_are_reported(base_model):
    damaged = load_model(base_model)
    next(damaged.model.parameters()).data[:] = float("nan")
    with pytest.raises(ModelError, match="gives probabilities that are not numbers"):
        generate(damaged, PROMPTS, max_new_tokens=2, batch_size=5, seed=0)


def test_temperature_sharpens(policy):
    """At a low temperature the likeliest token, at a high one every token about as often."""
    options = {"max_new_tokens": 1, "batch_size": 500, "seed": 0}
    likeliest = generate(policy, ["say tea"], **options, temperature=0)[0].token_ids
    cold = generate(policy, ["say tea"] * 500, **options, temperature=0.01)
    hot = generate(policy, ["say tea"] * 500, **options, temperature=1000.0)
    assert sum(response.token_ids == likeliest for response in cold) > 490
    assert len({response.token_ids[0] for response in hot}) > 150


def test_samples_follow_the_policys_own_distribution(policy):
    """First tokens of many samples against the model's probabilities; a top-k or a temperature would show."""
    count = 4000
    samples = generate(policy, ["say tea"] * count, max_new_tokens=1, batch_size=1000, seed=0)
    with torch.inference_mode():
        logits = policy.model(torch.tensor(encode_prompts(policy.tokenizer, ["say tea"]))).logits[0, -1]
    probabilities = logits.softmax(-1)
    counts = torch.bincount(torch.tensor([s.token_ids[0] for s in samples]), minlength=len(probabilities))
    assert (counts / count - probabilities).abs().max() < 4 * 0.5 / count**0.5
    tail = probabilities < 0.01
    assert abs(float(counts[tail].sum()) / count - float(probabilities[tail].sum())) < 0.02


def test_end_and_truncation(policy):
    responses = generate(policy, PROMPTS * 10, max_new_tokens=6, batch_size=50, seed=0)
    ends = set(policy.end_ids)
    assert {response.truncated for response in responses} == {True, False}
    for response in responses:
        assert response.truncated == (response.token_ids[-1] not in ends)
        assert not ends & set(response.token_ids[:-1])
        assert len(response.token_ids) == 6 or not response.truncated
        assert "<|" not in response.text


def edit_settings(folder, **changes) -> None:
    path = folder / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_models_own_generation_settings_do_not_change_the_policy(policy, base_model, tmp_path):
    shutil.copytree(base_model, tmp_path / "opinionated")
    edit_settings(tmp_path / "opinionated", repetition_penalty=5.0, no_repeat_ngram_size=1, min_p=0.9)
    opinionated = load_model(tmp_path / "opinionated")
    options = {"max_new_tokens": 12, "batch_size": 5, "seed": 0}
    assert generate(opinionated, PROMPTS, **options) == generate(policy, PROMPTS, **options)


def test_an_end_of_turn_token_that_only_the_model_declares_ends_a_response(base_model, tmp_path):
    shutil.copytree(base_model, tmp_path / "model")
    (end,) = load_model(base_model).end_ids
    edit_settings(tmp_path / "model", eos_token_id=[end, 7])
    assert load_model(tmp_path / "model").end_ids == (end, 7)


@pytest.mark.parametrize("temperature", [-1.0, float("nan"), float("inf")])
def test_invalid_temperatures_are_refused(policy, temperature):
    with pytest.raises(ModelError, match="temperature="):
        generate(policy, PROMPTS, max_new_tokens=2, batch_size=5, seed=0, temperature=temperature)
