import numpy as np
import pytest
import torch

from palm.models.load import load_model
from palm.models.supervised import Pair, _equal_tokens_loss, fit, training_order


def test_every_pair_is_seen_once_a_pass_with_pairs_of_its_length():
    lengths = np.random.default_rng(0).integers(1, 90, size=300)
    order = training_order(lengths, batch_size=10, steps=60, seed=1)
    assert (np.bincount(order, minlength=300) == 2).all()
    spread = [np.ptp(lengths[batch]) for batch in order.reshape(60, 10)]
    assert np.median(spread) < 10 < np.ptp(lengths)
    assert (order == training_order(lengths, batch_size=10, steps=60, seed=1)).all()
    assert (order != training_order(lengths, batch_size=10, steps=60, seed=2)).any()


def test_steps_of_short_and_of_long_responses_add_up_to_the_likelihood_of_all(base_model):
    """Mean losses of such steps would not: a token of a short response would weigh more."""
    base = load_model(base_model)
    rng = np.random.default_rng(0)
    pairs = [Pair([5, 6], rng.integers(3, 250, size=length).tolist()) for length in (1, 2, 9, 10)]
    loss = _equal_tokens_loss(pairs, batch_size=2, processes=1)
    total, parts = 0.0, 0.0
    with torch.inference_mode():
        for short, long in ((pairs[0], pairs[1]), (pairs[2], pairs[3])):
            width = 2 + len(long.response_ids)
            ids = torch.zeros(2, width, dtype=torch.long)
            labels = torch.full((2, width), -100)
            for row, pair in enumerate((short, long)):
                filled = torch.tensor(pair.prompt_ids + pair.response_ids)
                ids[row, : len(filled)] = filled
                labels[row, 2 : len(filled)] = filled[2:]
                logits = base.model(filled[None]).logits[0, 1:-1].log_softmax(-1)
                total -= float(logits[range(len(pair.response_ids)), pair.response_ids].sum())
            parts += float(loss({"logits": base.model(ids).logits}, labels))
    tokens_a_step = 2 * np.mean([len(pair.response_ids) for pair in pairs])
    assert parts * tokens_a_step == pytest.approx(total, rel=1e-4)


def test_a_model_learns_what_it_is_given(base_model, tmp_path):
    base = load_model(base_model)
    pairs = [Pair([5, 6], [7, 8, base.end_ids[0]])] * 8
    options = {"batch_size": 8, "learning_rate": 0.01, "seed": 0, "equal_tokens": True}
    state = fit(base.model, base.tokenizer, pairs, steps=30, scratch=tmp_path, **options)
    assert state.global_step == 30
    with torch.inference_mode():
        assert int(base.model(torch.tensor([[5, 6]])).logits[0, -1].argmax()) == 7
