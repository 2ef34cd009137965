import subprocess
import sys
import textwrap

import numpy as np
import pytest
from support.errors import one_line
from support.reward_cases import load, prompts, python_reward

from palm.errors import RewardError
from palm.models.prompts import PromptSet
from palm.rewards.scoring import raw_scores, score, score_one

TWO = PromptSet(["p", "q"], {"answer": ["1", "2"]})
EQUAL = "def mine(prompts, responses, answer): return [float(a == r) for a, r in zip(answer, responses, strict=True)]"

MISBEHAVIOUR = {
    "nan": ("return [float('nan')] * 2", ["nan", "response 0", "must be finite"]),
    "infinity": ("return [0.5, float('inf')]", ["inf", "response 1 ('b')", "must be finite"]),
    "none for a sample": ("return [0.5, None]", ["None", "response 1 ('b')", "must be a number"]),
    "text for a sample": ("return ['high', 0.5]", ["'high'", "response 0", "must be a number"]),
    "a number as text": ("return ['0.5', '0.5']", ["'0.5'", "response 0", "must be a number"]),
    "above one": ("return [0.5, 1.5]", ["1.5", "response 1 ('b')", "must be in [0, 1]", "set a normalisation"]),
    "below zero": ("return [-0.1, 0.5]", ["-0.1", "response 0", "must be in [0, 1]"]),
    "too few": ("return [0.5]", ["1 values for 2 responses"]),
    "too many": ("return [0.5] * 3", ["3 values for 2 responses"]),
    "nothing": ("return None", ["returned a NoneType", "return one number per response"]),
    "one number": ("return 0.5", ["returned a float"]),
    "text": ("return '11'", ["returned a str instead of"]),
    "a mapping": ("return {0.5: 1, 0.6: 2}", ["returned a dict instead of"]),
    "a table": ("import numpy; return numpy.ones((2, 1))", ["array of shape (2, 1)"]),
    "a scalar array": ("import numpy; return numpy.float64(0.5)", ["array of shape ()"]),
    "rows": ("return [[0.1, 0.2], [0.3, 0.4]]", ["[0.1, 0.2]", "response 0", "must be a number"]),
    "huge": ("return [10**400, 0.5]", ["must be a number", "response 0", "000"]),
    "raises for one": (
        "return [1 / len(response.strip('b')) for response in responses]",
        ["raised ZeroDivisionError for response 1 ('b'): division by zero"],
    ),
    "raises for the batch": (
        "\n    if len(responses) > 1: raise KeyError('key')\n    return [1.0]",
        ["raised KeyError: 'key'"],
    ),
    "leaves": ("raise SystemExit(0)", ["raised SystemExit"]),
    "hangs": (
        "import time; time.sleep(60)",
        ["timeout_seconds=0.2", "2 responses took longer", "raise timeout_seconds"],
    ),
    "generator that fails": ("return (1 / 0 for _ in responses)", ["raised ZeroDivisionError for response 0"]),
    "wrong arguments": ("def mine(prompts): return [0.5]", ["raised TypeError", "unexpected keyword argument"]),
    "asynchronous": ("async def mine(prompts, responses, **fields): return [0.5] * 2", ["is asynchronous"]),
}


@pytest.mark.parametrize("case", MISBEHAVIOUR)
def test_misbehaviour_is_an_error_that_names_reward_and_sample(tmp_path, case):
    body, words = MISBEHAVIOUR[case]
    source = python_reward(tmp_path, body, timeout_seconds=0.2 if case == "hangs" else 60)
    with one_line(RewardError, *words) as caught:
        score([source], TWO, ["a", "b"])
    assert str(caught.value).startswith("reward 'mine'")


def test_values_and_fields_reach_the_function(tmp_path):
    source = python_reward(tmp_path, EQUAL)
    assert score([source, source], TWO, ["1", "1"]).tolist() == [[1.0, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    "body",
    [
        "import numpy; return numpy.array([0, 1])",
        "import torch; return torch.tensor([0.0, 1.0])",
        "import pandas; return pandas.Series([False, True], index=[1, 0])",
        "return (len(prompt) - 1 + index for index, prompt in enumerate(prompts))",
        "return (False, True)",
    ],
)
def test_any_sequence_of_numbers_will_do(tmp_path, body):
    assert score([python_reward(tmp_path, body)], TWO, ["a", "b"]).tolist() == [[0.0], [1.0]]


def test_normalisation_is_applied_and_its_range_enforced(tmp_path):
    body, raw = "return [2.0, 4.0]", [2.0, 4.0]
    source = python_reward(tmp_path, body, normalisation={"kind": "minmax", "low": 0, "high": 4})
    assert raw_scores([source], TWO, ["a", "b"])[:, 0].tolist() == raw
    assert score_one(source, TWO, ["a", "b"]).tolist() == [0.5, 1.0]
    source = python_reward(tmp_path, body, normalisation={"kind": "minmax", "low": 0, "high": 3})
    with pytest.raises(RewardError, match=r"gave 4\.0 for response 1.*is 1\.3333333333333333 after minmax"):
        score_one(source, TWO, ["a", "b"])


def test_a_reward_that_changes_its_arguments_does_not_change_the_next_ones(tmp_path):
    (tmp_path / "a").mkdir()
    rude = python_reward(
        tmp_path / "a",
        "def mine(prompts, responses, answer):\n    answer[0].clear()\n    answer.sort(reverse=True)\n"
        "    prompts.clear()\n    responses.clear()\n    return [0.0, 0.0]",
    )
    nested = PromptSet(["p", "q"], {"answer": [["1"], ["2"]]})
    polite = python_reward(
        tmp_path,
        "def mine(prompts, responses, answer):\n"
        "    return [float([r] == a) for r, a in zip(responses, answer, strict=True)]",
    )
    assert score([rude, polite], nested, ["1", "2"])[:, 1].tolist() == [1.0, 1.0]


def test_the_search_for_a_culprit_is_bounded(tmp_path):
    calls = tmp_path / "calls"
    source = python_reward(
        tmp_path,
        f"open({str(calls)!r}, 'a').write('.')\n"
        "    if len(responses) > 1: raise ValueError('too many')\n"
        "    return [0.5]",
    )
    with pytest.raises(RewardError, match="raised ValueError: too many"):
        score([source], prompts(1000), ["r"] * 1000)
    assert len(calls.read_text()) <= 257


def test_no_responses_are_no_call(tmp_path):
    assert score([python_reward(tmp_path, "1 / 0")], prompts(0), []).shape == (0, 1)


def test_a_process_can_end_although_a_reward_hangs(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import time\ndef mine(prompts, responses, **fields):\n    while True: time.sleep(1)"
    )
    program = f"""
        from palm.errors import RewardError
        from palm.models.prompts import PromptSet
        from palm.config.rewards import PythonReward
        from palm.rewards.scoring import score
        from palm.rewards.source import load_reward
        spec = PythonReward(name="mine", uri="python:{tmp_path}/mine.py:mine", timeout_seconds=0.1)
        try:
            score([load_reward(spec)], PromptSet(["p"], {{}}), ["r"])
        except RewardError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "timeout_seconds=0.1: scoring 1 responses took longer" in done.stdout


def test_a_regular_expression_that_explodes_ends_in_time():
    source = load("verifier:regex", pattern=r"(a|aa)+$", timeout_seconds=0.2)
    with pytest.raises(RewardError, match=r"timeout_seconds=0\.2"):
        score([source], prompts(1), ["a" * 100 + "b"])


def test_scores_are_float64(tmp_path):
    assert score([python_reward(tmp_path, "return [0, 1]")], TWO, ["a", "b"]).dtype == np.float64
