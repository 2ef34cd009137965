"""The quickstart's generated data and its three competing rewards."""

import json
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.examples.quickstart import rewards
from palm.examples.quickstart.prepare import prepare
from palm.examples.quickstart.topics import CAUTIONS, JOKES, TOPICS, WITTY_CAUTIONS

REWARDS = [rewards.brevity, rewards.safety, rewards.humour]
ADVICE = "Use two cups of water for one cup of rice."
CAUTION = "Never leave the hot stove alone."
JOKE = "Even a sleepy penguin can do it!"
RECKLESS_JOKE = "What could go wrong, said the pirate!"


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("quickstart") / "new"
    prepare(path, None)
    return path


def _records(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _one(reward, response: str) -> float:
    return reward(["How do I cook rice?"], [response])[0]


def test_prepare_writes_the_same_files_every_time(directory, tmp_path):
    prepare(tmp_path, None)
    assert {path.name for path in tmp_path.iterdir()} == {"corpus.jsonl", "prompts_train.jsonl", "prompts_eval.jsonl"}
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (directory / path.name).read_bytes()


def test_prepare_writes_the_promised_fields(directory):
    assert {tuple(record) for record in _records(directory / "corpus.jsonl")} == {("prompt", "response")}
    for name in ("prompts_train.jsonl", "prompts_eval.jsonl"):
        assert {tuple(record) for record in _records(directory / name)} == {("prompt", "topic")}


def test_evaluation_prompts_are_seen_nowhere_else(directory):
    corpus = _records(directory / "corpus.jsonl")
    train, held_out = (
        [record["prompt"] for record in _records(directory / name)]
        for name in ("prompts_train.jsonl", "prompts_eval.jsonl")
    )
    assert (len(set(train)), len(set(held_out))) == (200, 60)
    assert len(corpus) == len({(record["prompt"], record["response"]) for record in corpus}) > 5000
    assert set(held_out).isdisjoint(train)
    assert set(held_out).isdisjoint(record["prompt"] for record in corpus)


def test_every_topic_occurs_among_training_and_evaluation_prompts(directory):
    for name in ("prompts_train.jsonl", "prompts_eval.jsonl"):
        assert {record["topic"] for record in _records(directory / name)} == {topic.name for topic in TOPICS}


def test_replies_leave_every_reward_room_in_both_directions(directory):
    corpus = _records(directory / "corpus.jsonl")
    prompts, responses = ([record[key] for record in corpus] for key in ("prompt", "response"))
    for reward in REWARDS:
        values = reward(prompts, responses)
        assert 0.3 < mean(values) < 0.6
        # Enough good replies to find, enough bad ones to leave.
        assert mean(value > 0.55 for value in values) > 0.25
        assert mean(value < 0.25 for value in values) > 0.15


def test_replies_have_one_to_four_different_sentences_of_at_most_35_words(directory):
    for record in _records(directory / "corpus.jsonl"):
        sentences = record["response"].replace("!", ".").removesuffix(".").split(". ")
        assert len(sentences) == len(set(sentences)) <= 4
        assert 3 <= len(record["response"].split()) <= 35


def test_advice_is_neither_cautious_nor_playful():
    for topic in TOPICS:
        for sentence in [*topic.advice, *(text for pair in topic.tasks.values() for text in pair)]:
            assert _one(rewards.safety, sentence) == _one(rewards.humour, sentence) == 0.0, sentence


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_cautions_are_cautious_and_jokes_are_playful(topic):
    for sentence in topic.cautions + CAUTIONS:
        assert _one(rewards.safety, sentence) > 0.5 > _one(rewards.humour, sentence) == 0.0, sentence
    for sentence in topic.jokes + JOKES:
        assert _one(rewards.humour, sentence) > 0.5 > _one(rewards.safety, sentence) == 0.0, sentence
    for sentence in WITTY_CAUTIONS:
        assert min(_one(rewards.humour, sentence), _one(rewards.safety, sentence)) > 0.4, sentence


def test_brevity_falls_with_length_but_not_below_something_said():
    lengths = [_one(rewards.brevity, " ".join(f"w{i}" for i in range(n))) for n in range(60)]
    assert lengths[0] == 0.0
    peak = lengths.index(max(lengths))
    assert peak == rewards.USEFUL_WORDS
    assert lengths[:peak] == sorted(lengths[:peak])
    assert lengths[peak:] == sorted(lengths[peak:], reverse=True)
    assert lengths[rewards.TYPICAL_WORDS] == pytest.approx(0.5)


@pytest.mark.parametrize("degenerate", ["", " ", "...", "Yes.", "rice rice rice rice rice rice rice rice"])
def test_a_reply_that_says_nothing_earns_little(degenerate):
    assert _one(rewards.brevity, degenerate) < 0.2
    assert _one(rewards.safety, degenerate) == _one(rewards.humour, degenerate) == 0.0


@pytest.mark.parametrize(
    ("reward", "first", "second"),
    [
        (rewards.safety, CAUTION, "Ask an expert if you are not sure."),
        (rewards.humour, JOKE, "My goldfish does it faster than me!"),
    ],
)
def test_more_cautions_and_jokes_earn_more_but_repeating_one_does_not(reward, first, second):
    texts = (ADVICE, f"{ADVICE} {first}", f"{ADVICE} {first} {second}", f"{ADVICE} {first} {first}")
    assert [_one(reward, text) for text in texts] == pytest.approx([0.0, 0.6, 0.84, 0.6])


def test_the_rewards_compete():
    plain, cautious, funny = ADVICE, f"{ADVICE} {CAUTION}", f"{ADVICE} {JOKE}"
    assert _one(rewards.brevity, plain) > max(_one(rewards.brevity, cautious), _one(rewards.brevity, funny))
    assert _one(rewards.humour, f"{cautious} {JOKE}") < _one(rewards.humour, funny)
    assert _one(rewards.safety, f"{cautious} {RECKLESS_JOKE}") < _one(rewards.safety, f"{cautious} {JOKE}")


def test_words_count_whole():
    assert _one(rewards.safety, "The checkers game is unsafely-named and risky.") == 0.0
    assert _one(rewards.humour, "Hadrian liked robotics.") == 0.0


@given(st.lists(st.text(max_size=200), max_size=5))
def test_any_text_scores_within_0_and_1(responses):
    for reward in REWARDS:
        values = reward(["?"] * len(responses), responses, topic=["x"] * len(responses))
        assert len(values) == len(responses)
        assert all(isinstance(value, float) and 0.0 <= value <= 1.0 for value in values)
