import math

import numpy as np
import pytest

from palm.config import Reward
from palm.errors import RewardError
from palm.models.prompts import PromptSet
from palm.rewards.scoring import score
from palm.rewards.source import load_reward

PROMPTS = PromptSet(["p", "q"], {"answer": ["1", "2"]})


def reward(folder, body: str, **spec):
    path = folder / "mine.py"
    path.write_text(body)
    return load_reward(Reward(name="mine", uri=f"python:{path}:mine", **spec))


def test_values_and_fields_reach_the_function(tmp_path):
    source = reward(
        tmp_path,
        "def mine(prompts, responses, answer): return [float(a == r) for a, r in zip(answer, responses, strict=True)]",
    )
    assert score([source, source], PROMPTS, ["1", "1"]).tolist() == [[1.0, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return [float('nan')] * 2", ["nan", "response 0", "must be finite"]),
        ("return [0.5, float('inf')]", ["inf", "response 1", "must be finite"]),
        ("return [None, 0.5]", ["None", "must be a number"]),
        ("return ['high', 0.5]", ["'high'", "must be a number"]),
        ("return [0.5, 1.5]", ["1.5", "response 1", "must be in [0, 1]"]),
        ("return [-0.1, 0.5]", ["-0.1", "must be in [0, 1]"]),
        ("return [0.5]", ["1 values for 2 responses"]),
        ("return None", ["TypeError"]),
        ("raise KeyError('key')", ["raised KeyError", "'key'"]),
        ("raise SystemExit(0)", ["raised SystemExit"]),
        ("return '11'", ["returned a str"]),
        ("return {0.5: 1, 0.6: 2}", ["returned a dict"]),
        ("return ['0.5', '0.5']", ["'0.5'", "must be a number"]),
        ("return [10**400, 0.5]", ["must be a number"]),
    ],
)
def test_misbehaviour_is_an_error_that_names_reward_and_sample(tmp_path, body, words):
    source = reward(tmp_path, f"def mine(prompts, responses, **fields): {body}")
    with pytest.raises(RewardError) as caught:
        score([source], PROMPTS, ["a", "b"])
    message = str(caught.value)
    assert "'mine'" in message
    assert "\n" not in message
    for word in words:
        assert word in message


def test_sigmoid_and_minmax(tmp_path):
    body = "def mine(prompts, responses, **fields): return [2.0, 1e6]"
    values = score(
        [reward(tmp_path, body, normalisation={"kind": "sigmoid", "center": 1, "scale": 0.5})], PROMPTS, ["a", "b"]
    )
    assert values[:, 0] == pytest.approx([1 / (1 + math.exp(-2)), 1.0])
    body = "def mine(prompts, responses, **fields): return [2.0, 4.0]"
    assert np.allclose(
        score([reward(tmp_path, body, normalisation={"kind": "minmax", "low": 0, "high": 4})], PROMPTS, ["a", "b"])[
            :, 0
        ],
        [0.5, 1.0],
    )
    with pytest.raises(RewardError, match="minmax"):
        score([reward(tmp_path, body, normalisation={"kind": "minmax", "low": 0, "high": 3})], PROMPTS, ["a", "b"])


def test_a_reward_that_changes_its_arguments_does_not_change_the_next_ones(tmp_path):
    (tmp_path / "a").mkdir()
    rude = reward(
        tmp_path / "a",
        "def mine(prompts, responses, answer):\n    answer.sort(reverse=True)\n"
        "    responses.clear()\n    return [0.0, 0.0]",
    )
    polite = reward(
        tmp_path,
        "def mine(prompts, responses, answer): return [float(a == r) for a, r in zip(answer, responses, strict=True)]",
    )
    assert score([rude, polite], PROMPTS, ["1", "2"])[:, 1].tolist() == [1.0, 1.0]
