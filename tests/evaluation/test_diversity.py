import itertools

import numpy as np
import pytest

from palm.errors import DataError
from palm.evaluation.diversity import Answers, between_policies, distinct_share, vendi_score, within_policy


def random_answers(seed: int, *, prompts: int = 3, samples: int = 6, words: int = 9, length: int = 8) -> Answers:
    rng = np.random.default_rng(seed)
    return Answers(rng.integers(words, size=(prompts, samples, length)).tolist())


def unit(vectors) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_vendi_score_closed_forms():
    assert vendi_score(np.ones((7, 7))) == pytest.approx(1)
    assert vendi_score(np.eye(7)) == pytest.approx(7)
    # Two groups of 3 and 1: eigenvalues 3/4 and 1/4.
    kernel = np.zeros((4, 4))
    kernel[:3, :3] = kernel[3, 3] = 1
    assert vendi_score(kernel) == pytest.approx(np.exp(-0.75 * np.log(0.75) - 0.25 * np.log(0.25)))
    # Two items with cosine c: eigenvalues (1 ± c) / 2.
    c = 0.6
    assert vendi_score(np.array([[1, c], [c, 1]])) == pytest.approx(np.exp(-0.8 * np.log(0.8) - 0.2 * np.log(0.2)))


def test_distinct_share_is_the_mean_over_all_subsets():
    items = [0, 0, 0, 1, 1, 2, 3]
    for draws in range(1, 8):
        subsets = list(itertools.combinations(items, draws))
        expected = np.mean([len(set(subset)) / draws for subset in subsets])
        assert distinct_share(np.bincount(items), draws) == pytest.approx(expected)
    assert np.isnan(distinct_share(np.bincount(items), 8))


def test_identical_responses_have_no_diversity():
    found = within_policy(Answers([[[4, 5, 6, 7]] * 5] * 2), ngrams=6)
    assert dict(found.vendi_score) == pytest.approx({"mean": 1, "standard_error": 0})
    # 20 tokens of 4 kinds, 6 of them drawn: 4 (1 - C(15, 6) / C(20, 6)) of 6.
    assert found.distinct["1"].mean == pytest.approx(4 * (1 - 5005 / 38760) / 6)
    assert found.pairwise_distance is None and found.kernel == "token n-grams"


def test_responses_without_a_common_token_count_in_full():
    answers = Answers([[[1, 2], [3, 4], [5, 6], [7]], [[1], [2], [3], [4]]])
    found = within_policy(answers, ngrams=3)
    assert dict(found.vendi_score) == pytest.approx({"mean": 4, "standard_error": 0})
    assert dict(found.distinct["1"]) == pytest.approx({"mean": 1, "standard_error": 0, "prompts": 2})
    # Three 2-grams in the first prompt, none in the second; no prompt has three 3-grams.
    assert found.distinct["2"].prompts == 1 and found.distinct["3"] is None


def test_ngrams_do_not_cross_responses():
    found = within_policy(Answers([[[1, 2], [2, 1], [1, 2], [2, 1]]]), ngrams=4)
    assert found.distinct["2"].mean == pytest.approx(2 / 4)


def test_distinct_does_not_fall_with_length_as_the_plain_ratio_does():
    rng = np.random.default_rng(0)
    short, long = (Answers(rng.integers(50, size=(40, 8, length)).tolist()) for length in (10, 40))
    means = [within_policy(answers, ngrams=42).distinct["1"].mean for answers in (short, long)]
    assert means[0] == pytest.approx(means[1], abs=0.02)
    plain = [
        np.mean([len({i for ids in row for i in ids}) / sum(map(len, row)) for row in answers.token_ids])
        for answers in (short, long)
    ]
    assert plain[1] < 0.5 * plain[0]


def test_empty_responses_are_like_each_other_only():
    tokens = [[[], [], [1, 2], [1, 2]]]
    assert within_policy(Answers(tokens), ngrams=2).vendi_score.mean == pytest.approx(2)
    vectors = np.array([[[0, 0], [0, 0], [1, 0], [1, 0]]], dtype=np.float32)
    assert within_policy(Answers(tokens, vectors), ngrams=2).vendi_score.mean == pytest.approx(2)


def test_pairwise_distance_is_the_mean_over_pairs():
    vectors = unit(np.random.default_rng(0).normal(size=(3, 5, 4)))
    found = within_policy(Answers(random_answers(0, samples=5).token_ids, vectors), ngrams=4)
    by_hand = [np.mean([1 - x @ y for x, y in itertools.combinations(rows, 2)]) for rows in vectors]
    assert found.pairwise_distance.mean == pytest.approx(np.mean(by_hand))
    assert found.pairwise_distance.standard_error == pytest.approx(np.std(by_hand, ddof=1) / 3**0.5)
    assert found.kernel == "embeddings"


def test_the_order_of_responses_does_not_matter():
    answers = random_answers(1)
    reordered = Answers([row[::-1] for row in answers.token_ids])
    first, second = within_policy(answers, ngrams=20), within_policy(reordered, ngrams=20)
    for size, shares in first.distinct.items():
        assert dict(second.distinct[size]) == pytest.approx(dict(shares))
    assert second.vendi_score.mean == pytest.approx(first.vendi_score.mean)


def test_one_response_per_prompt_has_no_pairs():
    answers = Answers([[[1, 2, 3]], [[4, 5, 6]]], unit(np.ones((2, 1, 3))))
    assert within_policy(answers, ngrams=2).pairwise_distance is None
    assert between_policies([answers, answers], ngrams=2, seed=0).mixture.pairwise_distance is None


def test_policies_with_nothing_in_common_count_in_full():
    """Two policies that always say the same, and not the same as each other."""
    one, other = Answers([[[1, 2, 3]] * 4] * 3), Answers([[[4, 5, 6]] * 4] * 3)
    found = between_policies([one, other], ngrams=6, seed=0)
    assert found.effective_policies.mean == pytest.approx(2)
    assert 1 < found.effective_policies_by_chance.mean < 1.5
    assert found.single.vendi_score.mean == pytest.approx(1)
    assert 1.5 < found.mixture.vendi_score.mean <= 2
    assert found.mixture.distinct["1"].mean > found.single.distinct["1"].mean
    three = between_policies([one, other, Answers([[[7, 8, 9]] * 4] * 3)], ngrams=6, seed=0)
    assert three.effective_policies.mean == pytest.approx(3)


def test_the_same_responses_twice_are_one_policy():
    answers = random_answers(2)
    found = between_policies([answers, answers], ngrams=20, seed=0)
    assert found.effective_policies.mean == pytest.approx(1)
    assert found.single.vendi_score.mean == pytest.approx(within_policy(answers, ngrams=20).vendi_score.mean)


def test_samples_of_one_policy_count_as_much_as_chance_gives():
    """Few samples of a diverse policy look like several policies; the exchange shows that they are not."""
    twins = [random_answers(seed, prompts=60) for seed in (3, 4)]
    found = between_policies(twins, ngrams=20, seed=0)
    excess = found.effective_policies.mean - found.effective_policies_by_chance.mean
    assert found.effective_policies_by_chance.mean > 1.2
    assert abs(excess) < 4 * found.effective_policies.standard_error
    assert found.mixture.distinct["2"].mean == pytest.approx(found.single.distinct["2"].mean, abs=0.02)
    assert found.mixture.vendi_score.mean == pytest.approx(found.single.vendi_score.mean, abs=0.15)


def test_distance_in_the_mixture_is_that_of_two_answers_by_random_policies():
    rng = np.random.default_rng(0)
    vectors = [unit(rng.normal(size=(2, 3, 4)) + shift) for shift in (0.0, 2.0)]
    portfolio = [Answers(random_answers(seed, prompts=2, samples=3).token_ids, v) for seed, v in enumerate(vectors)]
    found = between_policies(portfolio, ngrams=2, seed=0).mixture.pairwise_distance.mean
    expected = []
    for prompt in range(2):
        a, b = (v[prompt] for v in vectors)
        within = [np.mean([1 - x @ y for x, y in itertools.combinations(rows, 2)]) for rows in (a, b)]
        across = np.mean([1 - x @ y for x in a for y in b])
        expected.append((within[0] + within[1] + 2 * across) / 4)
    assert found == pytest.approx(np.mean(expected))


def test_policies_can_only_be_compared_on_the_same_prompts():
    with pytest.raises(DataError, match="as many to each"):
        between_policies([random_answers(0), random_answers(0, samples=5)], ngrams=4, seed=0)
