"""Training reaches optima of J_w that are known in closed form."""

import numpy as np
import pytest
import torch
from exact_lm import build_exact_lm, train
from fidelity_cases import grpo_fixed_point

SHARE = 0.98
"""Share of the possible gain J* - J_ref that a faithful backend must reach."""

SETTINGS = {"responses_per_prompt": 8, "micro_batch_size": 128, "learning_rate": 0.01}
COPIES, STEPS = 8, {"rloo": 80, "grpo": 120}


def draw_cases(count: int) -> list[tuple[np.ndarray, float]]:
    rng = np.random.default_rng(0)
    return [(rng.dirichlet(np.ones(3)), float(np.exp(rng.uniform(np.log(0.07), np.log(0.3))))) for _ in range(count)]


@pytest.fixture(scope="module")
def one_token(tmp_path_factory):
    return build_exact_lm(tmp_path_factory.mktemp("exact") / "model", words=31, length=1, prompts=2)


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    return build_exact_lm(tmp_path_factory.mktemp("exact") / "model", words=4, length=3, prompts=3)


def shares(lm, scratch, *, backend: str, count: int, altered: dict | None = None) -> np.ndarray:
    reached = []
    options = {"backend": backend, "scratch": scratch, "copies": COPIES, "steps": STEPS[backend], "altered": altered}
    for weights, beta in draw_cases(count):
        policy = train(lm, weights, beta=beta, **options, **SETTINGS)
        reached.append(lm.share_of_gain(policy, weights, beta=beta))
    return np.array(reached)


@pytest.mark.parametrize("backend", ["rloo", "grpo"])
def test_the_optimum_is_reached(one_token, tmp_path, backend):
    reached = shares(one_token, tmp_path, backend=backend, count=10)
    assert reached.min() >= SHARE and reached.max() <= 1


@pytest.mark.parametrize(
    "altered", [{"scale_rewards": "group"}, {"use_bias_correction_kl": False}], ids=["scale", "k3"]
)
def test_with_a_default_of_trl_it_is_not(one_token, tmp_path, altered):
    """The test above would notice: two defaults change the objective."""
    reached = shares(one_token, tmp_path, backend="grpo", count=2, altered=altered)
    assert reached.min() < SHARE - 0.03


def test_the_size_of_the_group_does_not_change_beta(one_token, tmp_path):
    """With groups of two, GRPO's baseline makes β twice as large, which costs a quarter of the gain."""
    weights, beta = draw_cases(2)[1]
    settings = {**SETTINGS, "responses_per_prompt": 2, "steps": 100}
    common = {"beta": beta, "backend": "grpo", "scratch": tmp_path, "copies": 4 * COPIES, **settings}
    right = one_token.share_of_gain(train(one_token, weights, **common), weights, beta=beta)
    wrong = one_token.share_of_gain(train(one_token, weights, **common, altered={"beta": beta}), weights, beta=beta)
    doubled = np.log(one_token.tabular(2 * beta).policies(weights)[0])
    assert right > 0.96
    assert wrong == pytest.approx(one_token.share_of_gain(doubled, weights, beta=beta), abs=0.05)


def test_all_responses_are_listed(one_token, short):
    assert len(one_token.response_ids) == 32
    assert len(short.response_ids) == 1 + 4 + 4**2 + 4**3
    for lm in (one_token, short):
        assert np.exp(lm.reference).sum(axis=1) == pytest.approx(1, abs=1e-6)
        assert len({tuple(ids) for ids in lm.response_ids}) == len(lm.response_ids)
        assert np.exp(lm.reference).max() > 3 / len(lm.response_ids)


def test_the_closed_form_is_the_optimum(one_token, short):
    """J of the tilt is J*, no other policy is better, and the reference gains nothing."""
    rng = np.random.default_rng(0)
    for lm in (one_token, short):
        for weights, beta in draw_cases(3):
            tilt = np.log(lm.tabular(beta).policies(weights)[0])
            best = float(lm.tabular(beta).optimum(weights)[0])
            assert lm.objective(tilt, weights, beta=beta) == pytest.approx(best, abs=1e-9)
            assert lm.share_of_gain(tilt, weights, beta=beta) == pytest.approx(1, abs=1e-6)
            assert lm.share_of_gain(lm.reference, weights, beta=beta) == 0
            for size in (0.01, 0.3, 3):
                other = tilt + rng.normal(size=tilt.shape) * size
                other -= np.log(np.exp(other).sum(axis=1, keepdims=True))
                assert lm.objective(other, weights, beta=beta) < best


def test_the_listed_policy_is_the_one_that_is_sampled(short):
    """The exact J_ref against responses that palm samples and scores."""
    from palm.models.generate import generate
    from palm.models.load import load_model
    from palm.rewards.scoring import score

    prompts = short.prompts.repeat(2000)
    answers = generate(load_model(short.folder), prompts.texts, max_new_tokens=3, batch_size=2000, seed=0)
    sampled = score(short.rewards, prompts, [answer.text for answer in answers])
    exact = np.einsum("xy,xyd->d", np.exp(short.reference), short.values) / len(short.values)
    assert sampled.mean(axis=0) == pytest.approx(exact, abs=5 * sampled.std() / len(sampled) ** 0.5)


def conditionals(lm, policy: np.ndarray) -> np.ndarray:
    """log π(token|prefix) along every response, 0 behind its end, shape (X, Y, T)."""
    logs = np.zeros((*policy.shape, lm.length))
    for response, ids in enumerate(lm.response_ids):
        before = 0.0
        for place in range(len(ids)):
            same = [other for other, row in enumerate(lm.response_ids) if row[: place + 1] == ids[: place + 1]]
            reached = np.log(np.exp(policy[:, same]).sum(axis=1))
            logs[:, response, place] = reached - before
            before = reached
    return logs


def test_the_fixed_point_of_grpo_is_one_and_not_the_optimum(short):
    """The expected gradient, token by token over all responses, vanishes there and not at the optimum."""
    weights, beta = draw_cases(1)[0]
    prefixes = sorted({tuple(ids[:place]) for ids in short.response_ids for place in range(len(ids))})
    rows = torch.zeros(len(short.response_ids), short.length, dtype=torch.long)
    tokens = torch.zeros_like(rows)
    sampled = torch.zeros(rows.shape)
    for response, ids in enumerate(short.response_ids):
        for place, token in enumerate(ids):
            rows[response, place] = prefixes.index(tuple(ids[:place]))
            tokens[response, place], sampled[response, place] = token, 1
    reference = torch.tensor(conditionals(short, short.reference)[0])
    rewards = torch.tensor(short.values[0] @ weights)

    def gradient(policy):
        logits = torch.zeros(len(prefixes), 5, dtype=torch.float64)
        logits[rows[sampled > 0], tokens[sampled > 0]] = torch.tensor(conditionals(short, policy)[0])[sampled > 0]
        logits.requires_grad_()
        logs = logits.log_softmax(-1)[rows, tokens]
        kept = logs.detach()
        chance = (kept * sampled).sum(1).exp()
        (chance[:, None] * sampled * logs * (rewards[:, None] - beta * (kept - reference))).sum().backward()
        return logits.grad.abs().max().item()

    fixed = grpo_fixed_point(short, weights, beta=beta)
    optimum = np.log(short.tabular(beta).policies(weights)[0])
    assert gradient(fixed) < 1e-9
    assert gradient(optimum) > 1e-4
    assert short.share_of_gain(fixed, weights, beta=beta) < 0.99
