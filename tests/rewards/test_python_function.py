import sys

import pytest
from support.errors import one_line
from support.reward_cases import load

from palm.errors import RewardError


def test_module_and_file(tmp_path):
    assert load("python:textwrap:wrap").function("ab", 1) == ["a", "b"]
    (tmp_path / "f.py").write_text("def f(prompts, responses): return [1.0]")
    assert load(f"python:{tmp_path}/f.py:f").function([""], [""]) == [1.0]


OBJECTS = """
import functools

class Judge:
    def __init__(self, value): self.value = value
    def __call__(self, prompts, responses, **fields): return [self.value] * len(responses)

def decorated(function):
    @functools.wraps(function)
    def inner(*args, **keywords): return [2 * value for value in function(*args, **keywords)]
    return inner

@decorated
def doubled(prompts, responses, **fields): return [0.25] * len(responses)

judge = Judge(0.5)
method = judge.__call__
partial = functools.partial(lambda value, prompts, responses, **fields: [value] * len(responses), 0.5)
cached = functools.lru_cache(doubled)
"""


@pytest.mark.parametrize("name", ["judge", "doubled", "partial", "method"])
def test_objects_and_decorated_functions_score_and_are_noticed_when_they_change(tmp_path, name):
    path = tmp_path / "objects.py"
    path.write_text(OBJECTS)
    first = load(f"python:{path}:{name}")
    assert first.function(prompts=["p"], responses=["r"]) == [0.5]
    path.write_text(OBJECTS.replace("0.5", "0.6"))
    assert load(f"python:{path}:{name}").fingerprint != first.fingerprint


def test_a_function_that_is_only_imported_is_known_by_both_files(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "palm_test_inner.py").write_text("def f(prompts, responses): return [0.1]")
    path = tmp_path / "outer.py"

    def fingerprint() -> str:
        sys.modules.pop("palm_test_inner", None)
        return load(f"python:{path}:f").fingerprint

    path.write_text("from palm_test_inner import f")
    first = fingerprint()
    (tmp_path / "palm_test_inner.py").write_text("def f(prompts, responses): return [0.25]")
    second = fingerprint()
    path.write_text("from palm_test_inner import f\nLIMIT = 3")
    assert len({first, second, fingerprint()}) == 3


def test_fingerprint_follows_source_function_and_normalisation(tmp_path):
    def fingerprint(folder, text: str, name: str = "f", **keys) -> str:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "r.py").write_text(text)
        return load(f"python:{tmp_path}/{folder}/r.py:{name}", **keys).fingerprint

    text = "def f(prompts, responses): return [1.0]\ndef g(prompts, responses): return [0.0]\n"
    first = fingerprint("a", text)
    assert fingerprint("b", text) == first
    assert fingerprint("c", text, timeout_seconds=3) == first
    assert fingerprint("d", text.replace("1.0", "0.9")) != first
    assert fingerprint("e", text, "g") != first
    assert fingerprint("f", text, normalisation={"kind": "sigmoid"}) != first


def test_another_function_of_the_file_is_no_part_of_the_fingerprint(tmp_path):
    path = tmp_path / "r.py"
    text = "LIMIT = 1\ndef f(prompts, responses): return [LIMIT]\ndef g(prompts, responses): return [0.0]\n"

    def fingerprints(text: str) -> list[str]:
        path.write_text(text)
        return [load(f"python:{path}:{name}").fingerprint for name in "fg"]

    first = fingerprints(text)
    f, g = fingerprints(text.replace("0.0", "0.5"))
    assert f == first[0] and g != first[1]
    f, g = fingerprints(text.replace("LIMIT = 1", "LIMIT = 2"))
    assert f != first[0] and g == first[1]
    # What was a plain function is another thing now, whatever its text.
    f, g = fingerprints(text + "import functools\nf = functools.partial(f)\n")
    assert f != first[0]
    # The file is what was written, in whatever encoding it says.
    path.write_bytes("# coding: latin-1\ndef f(prompts, responses): return [len('ä')]\n".encode("latin-1"))
    assert load(f"python:{path}:f").function([], []) == [1]


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("python:no_such_module_here:f", "ModuleNotFoundError"),
        ("python:/no/such/file.py:f", "no file /no/such/file.py"),
        ("python:textwrap:no_such", "has no function 'no_such'"),
        ("python:math:sqrt", "has no source file"),
    ],
)
def test_bad_uris(uri, words):
    with one_line(RewardError, "reward 'mine'", words):
        load(uri)


def test_a_file_that_fails_to_import_is_an_error(tmp_path):
    for text, error in (
        ("1 / 0", "ZeroDivisionError"),
        ("def f(", "SyntaxError"),
        ("raise SystemExit(0)", "SystemExit"),
    ):
        (tmp_path / "bad.py").write_text(text)
        with pytest.raises(RewardError, match=error):
            load(f"python:{tmp_path}/bad.py:f")
