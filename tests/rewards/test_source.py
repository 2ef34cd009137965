import pytest

from palm.config import Reward
from palm.errors import RewardError
from palm.rewards.source import load_reward


def load(uri: str, **spec):
    return load_reward(Reward(name="r", uri=uri, **spec))


def test_module_and_file(tmp_path):
    assert load("python:textwrap:wrap").function("ab", 1) == ["a", "b"]
    (tmp_path / "f.py").write_text("def f(prompts, responses): return [1.0]")
    assert load(f"python:{tmp_path}/f.py:f").function([""], [""]) == [1.0]


def test_fingerprint_follows_source_function_and_normalisation(tmp_path):
    def fingerprint(folder, text: str, name: str = "f", **spec) -> str:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "r.py").write_text(text)
        return load(f"python:{tmp_path}/{folder}/r.py:{name}", **spec).fingerprint

    text = "def f(prompts, responses): return [1.0]\ndef g(prompts, responses): return [0.0]\n"
    first = fingerprint("a", text)
    assert fingerprint("b", text) == first
    assert fingerprint("c", text.replace("1.0", "0.9")) != first
    assert fingerprint("d", text, "g") != first
    assert fingerprint("e", text, normalisation={"kind": "sigmoid"}) != first


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("ftp:x:y", "must be python:"),
        ("python:x", "must be python:"),
        ("python:no_such_module_here:f", "ModuleNotFoundError"),
        ("python:/no/such/file.py:f", "no file /no/such/file.py"),
        ("python:textwrap:no_such", "has no function 'no_such'"),
    ],
)
def test_bad_uris(uri, words):
    with pytest.raises(RewardError, match="reward 'r'") as caught:
        load(uri)
    assert words in str(caught.value)


def test_a_file_that_fails_to_import_is_told(tmp_path):
    for text, error in (
        ("1 / 0", "ZeroDivisionError"),
        ("def f(", "SyntaxError"),
        ("raise SystemExit(0)", "SystemExit"),
    ):
        (tmp_path / "bad.py").write_text(text)
        with pytest.raises(RewardError, match=error):
            load(f"python:{tmp_path}/bad.py:f")
