import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.reward_cases import load, prompts

from palm.errors import RewardError
from palm.rewards.scoring import score_one
from palm.rewards.verifier.numbers import parse_number


def values(uri: str, responses: list[str], **keys) -> list[float]:
    fields = keys.pop("fields", {})
    return score_one(load(uri, **keys), prompts(len(responses), **fields), responses).tolist()


def test_regex_searches_or_matches_all():
    responses = ["yes", "oh yes", "YES", "no\nyes"]
    assert values("verifier:regex", responses, pattern="yes") == [1, 1, 0, 1]
    assert values("verifier:regex", responses, pattern="yes", mode="full") == [1, 0, 0, 0]
    assert values("verifier:regex", responses, pattern="(?i)^yes$") == [1, 0, 1, 0]
    assert values("verifier:regex", responses, pattern="(?m)^yes$") == [1, 0, 0, 1]


def test_json_validity_and_required_keys():
    texts = ['{"a": 1, "b": null}', "[1, 2]", '"text"', "{'a': 1}", '{"a": NaN}', "", '{"a": 1} and more', "[" * 10**5]
    assert values("verifier:json", texts) == [1, 1, 1, 0, 0, 0, 0, 0]
    assert values("verifier:json", texts, required=["a"]) == [1, 0, 0, 0, 0, 0, 0, 0]
    assert values("verifier:json", texts, required=["a", "c"]) == [0] * 8


def test_json_in_a_fence_only_if_asked():
    texts = ['```json\n{"a": 1}\n```', "```\n[1]\n```\n", "Here:\n```\n[1]\n```", "```json\n{\n```", "[1]"]
    assert values("verifier:json", texts) == [0, 0, 0, 0, 1]
    assert values("verifier:json", texts, fenced=True) == [1, 1, 0, 0, 1]


NUMBERS = {
    "The answer is 1,234.50.": "1234.5",
    "it was 12, then 3,000": "3000",
    "x = −7": "-7",
    "3-5": "5",
    "from -$5": "-5",
    "so 2e-3": "0.002",
    ".5": "1/2",
    "it costs €1,000,000!": "1000000",
    "version 1.2.3 of 1,2345 in h2o": None,
    "none": None,
    "": None,
    "1e9999": None,
}


@pytest.mark.parametrize("text", NUMBERS)
def test_the_last_number_of_a_response_counts(text):
    right = NUMBERS[text]
    answer = "0" if right is None else str(float(Fraction(right)))
    assert values("verifier:number", [text], field="answer", fields={"answer": [answer]}) == [right is not None]


def test_comparison_is_exact_and_tolerance_is_inclusive():
    def equal(response: str, answer, **keys) -> float:
        return values("verifier:number", [response], field="answer", fields={"answer": [answer]}, **keys)[0]

    assert equal("0.3", 0.3) == equal("0.30", "0.3") == equal("3", 3) == equal("3.0", "3") == 1
    assert equal("0.1", "0.10000000000000000001") == 0
    assert equal("100000000000000000000001", "100000000000000000000002") == 0
    assert equal("1.1", "1", tolerance=0.1) == equal("0.9", "1", tolerance=0.1) == 1
    assert equal("1.1000000000000000001", "1", tolerance=0.1) == 0


def test_a_pattern_says_where_the_answer_is():
    fields = {"answer": ["42"] * 4}
    texts = ["#### 42\nas 6 * 7", "#### 41\n#### 42", "42", "#### forty-two"]
    assert values("verifier:number", texts, field="answer", pattern=r"#### (\S+)", fields=fields) == [1, 1, 0, 0]


@pytest.mark.parametrize("answer", ["many", None, True, "", [1], float("nan")])
def test_an_answer_that_is_no_number_is_an_error_that_names_the_sample(answer):
    with pytest.raises(RewardError, match=r"for response 1 .*field 'answer' holds .* not a number"):
        values("verifier:number", ["1", "1"], field="answer", fields={"answer": ["1", answer]})
    with pytest.raises(RewardError, match=r"no field 'result'; they have \['answer'\]"):
        values("verifier:number", ["1"], field="result", fields={"answer": ["1"]})


@given(st.fractions(max_denominator=1000).filter(lambda x: 1000 % x.denominator == 0))
def test_numbers_are_read_back_exactly(number):
    scaled = number * 1000
    text = f"{'-' if scaled < 0 else ''}{abs(scaled.numerator) // 1000:,}.{abs(scaled.numerator) % 1000:03d}"
    assert parse_number(text) == number
    assert parse_number(f" {text.replace('-', '−')} ") == number


def test_length_rewards():
    texts = ["", "a b", "a b c d", "a  b\nc d e f"]

    def length(**keys) -> list[float]:
        return values("verifier:length", texts, target=4, scale=2.0, **keys)

    assert length() == [1, 1, 1, pytest.approx(math.exp(-1))]
    assert length(prefer="at_least") == [pytest.approx(math.exp(-2)), pytest.approx(math.exp(-1)), 1, 1]
    assert np.allclose(length(prefer="near"), np.minimum(length(), length(prefer="at_least")))
    assert length(unit="characters")[1::2] == pytest.approx([1, math.exp(-(len(texts[3]) - 4) / 2)])
    assert values("verifier:length", ["word " * 10**5], target=1, scale=1e-3) == [0.0]


def test_fingerprint_follows_the_options_and_nothing_else():
    base = {"pattern": "a"}
    first = load("verifier:regex", **base).fingerprint
    assert load("verifier:regex", **base, name="other", timeout_seconds=1).fingerprint == first
    others = [
        load("verifier:regex", pattern="b"),
        load("verifier:regex", **base, mode="full"),
        load("verifier:regex", **base, normalisation={"kind": "minmax", "low": 0, "high": 2}),
        load("verifier:json"),
        load("verifier:json", required=["a"]),
        load("verifier:length", target=3, scale=1),
        load("verifier:number", field="a"),
        load("verifier:number", field="b"),
    ]
    assert len({first, *(other.fingerprint for other in others)}) == 9
