"""Edits of a file that change a function's source: all that can change a value, few others."""

import re
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from palm.rewards.python.source_closure import function_source

FILE = '''"""Rewards."""

import math
import re
from statistics import mean

LIMIT = 3
SCALE = LIMIT * 2.0
WORDS = re.compile("ha|ho", re.IGNORECASE)
SHARED = frozenset(word.lower() for word in ("Tea", "Oak"))
SEEN = []


def short(prompts, responses, **fields):
    """Short is good."""
    return [_clip(LIMIT / len(text)) for text in responses]


def funny(prompts, responses, **fields):
    # Laughs.
    return [_clip(len(WORDS.findall(text)) / SCALE) for text in responses]


def wordy(prompts, responses, **fields):
    return [mean(word in SHARED for word in text.split()) for text in responses]


def new(prompts, responses, **fields):
    SEEN.extend(responses)
    return [1.0 / SEEN.count(text) for text in responses]


def _clip(value):
    return min(1.0, value)


class Helper:
    """Not used."""

    factor = 2

    @staticmethod
    def run(value):
        return value


def unused(value=LIMIT):
    return math.sqrt(value)


if __name__ == "__main__":
    print(short(["a"], ["b"]))
'''
REWARDS = {"short", "funny", "wordy", "new"}
EDITS = [
    ('"""Rewards."""', '"""More rewards."""', set()),
    ("LIMIT = 3", "LIMIT = 4", {"short", "funny"}),
    ("LIMIT * 2.0", "LIMIT * 3.0", {"funny"}),
    ('"ha|ho"', '"ha|he"', {"funny"}),
    ('"Oak"', '"Elm"', {"wordy"}),
    ("# Laughs.", "# Laughter.", {"funny"}),
    ("Short is good.", "Short is best.", {"short"}),
    ("LIMIT / len", "LIMIT // len", {"short"}),
    ("min(1.0, value)", "min(0.9, value)", {"short", "funny"}),
    ("from statistics import mean", "from statistics import fmean as mean", {"wordy"}),
    ("import math\n", "import math, os\n", set()),
    # What another library's compile may do is not known.
    ("import re\n", "import regex as re\n", REWARDS),
    ("SEEN = []", "SEEN = ['a']", {"new"}),
    ("factor = 2", "factor = 3", set()),
    ("return math.sqrt", "return math.exp", set()),
    ("(value=LIMIT)", "(value=SCALE)", set()),
    ("    print(short", "    print(funny", set()),
    # Functions that share an object that changes at run time count for each other.
    ("return [mean(", "SEEN.clear()\n    return [mean(", {"wordy", "new"}),
    ("return math.sqrt", "SEEN.append(1)\n    return math.sqrt", {"new"}),
    ("return math.sqrt", "unused.calls = 1\n    return math.sqrt", set()),
    ("return math.sqrt", "_clip.calls = 1\n    return math.sqrt", {"short", "funny"}),
    # Statements at the import count for all rewards.
    *(
        ("class Helper", f"{statement}\n\nclass Helper", REWARDS)
        for statement in (
            "SEEN.append(1)", "print('hello')", "FIRST = SEEN.append(1)", "FIRST = new([''], [''])",
            "FIRST = [SEEN.append(i) for i in range(3)]", "for LIMIT in range(9):\n    pass",
            "if LIMIT:\n    SCALE = 1.0", "class Base(Helper):\n    pass", "@print\ndef noted():\n    pass",
            "def noted(value=print('hello')):\n    pass", "def noted(value: print('hello')):\n    pass", "(LIMIT := 5)",
            "math.pi = 3", "del LIMIT", "SEEN += [1]", "from __future__ import annotations", "from os.path import *",
        )
    ),
    ("class Helper", "LIMIT += 1\n\nclass Helper", {"short", "funny"}),
    ("class Helper", "def min(*values):\n    return 0.5\n\nclass Helper", {"short", "funny"}),
    ("    factor = 2", "    factor = print('hello')", REWARDS),
    ("    factor = 2", "    factor = 2\n    SEEN.append(1)", REWARDS),
    ("    factor = 2", "    len = print\n    factor = len(())", REWARDS),
    # So does code that can reach every name.
    *(
        ("return math.sqrt", f"{doubt}\n    return math.sqrt", REWARDS)
        for doubt in (
            "global LIMIT", "globals()['LIMIT'] = 4", "vars()", "eval('1')", "exec('')", "import importlib",
            "setattr(math, 'pi', 3)", "import sys; sys.modules[__name__].LIMIT = 4", "unused.__globals__",
            "import rewards", "from . import rewards",
        )
    ),
]  # fmt: skip


def sources(text: str) -> dict:
    """The source of each reward; the whole text if it cannot be separated."""
    found = {name: function_source(text, name, module="rewards") for name in REWARDS}
    return {name: text if source is None else source for name, source in found.items()}


@pytest.mark.parametrize(("old", "new", "changed"), EDITS, ids=[f"{old} → {new}" for old, new, _ in EDITS])
def test_an_edit_changes_what_it_touches(old, new, changed):
    assert FILE.count(old) == 1
    before, after = sources(FILE), sources(FILE.replace(old, new))
    assert {name for name in REWARDS if before[name] != after[name]} == changed


SHARED = [
    ("A = []\ndef add(v): A.append(v)\ndef g(): add(1)\ndef f(): return A", "add(1)", True),
    ("A = [1]\nB = A\ndef g(): B.append(1)\ndef f(): return A", "append(1)", True),
    ("def h(s=[]): s.append(0); return s\ndef g(): return h(), 1\ndef f(): return h()", ", 1", True),
    ("class S:\n    n = 0\ndef g(): S.n = 1\ndef f(): return S.n", "= 1", True),
    ("import lib\ndef g(): lib.LEVEL = 1\ndef f(): return lib.LEVEL", "= 1", True),
    ("import lib\ndef g(): lib.cache['a'] = 1\ndef f(): return lib.cache", "= 1", True),
    ("from lib import cache\ndef g(): cache.update(a=1)\ndef f(): return cache", "a=1", True),
    ("import random\ndef g(): random.shuffle([1])\ndef f(): return random.random()", "[1]", True),
    ("from random import choice\ndef g(): choice([1])\ndef f(): return choice([0])", "[1]", True),
    ("import numpy as np\ndef g(): np.random.seed(1)\ndef f(): return np.random.rand()", "(1)", True),
    ("import numpy as np\ndef g(): return np.exp(1)\ndef f(): return np.log(2)", "(1)", False),
    ("A = (5, 6)\ndef g(): return A[1]\ndef f(): return A", "[1]", False),
    ("A = len({'a': 0})\ndef g(): return A + 1\ndef f(): return A", "+ 1", False),
]


@pytest.mark.parametrize(("text", "old", "changes"), SHARED)
def test_what_another_function_does_counts_if_both_hold_on_to_the_same(text, old, changes):
    edited = text.replace(old, old.replace("1", "2"))
    assert edited != text
    before, after = (function_source(version, "f", module="m") for version in (text, edited))
    assert None not in (before, after) and (before != after) == changes


@pytest.mark.parametrize(
    "text",
    [
        "f = lambda prompts, responses: [1.0]",
        "import functools\n@functools.cache\ndef f(prompts, responses): pass",
        "class f:\n    pass",
        "async def f(prompts, responses): pass",
        "from other import f",
        "def f(): pass\ndef f(): pass",
        "def f(): pass\nif f:\n    def f(): pass",
        "def f(): pass\nfor f in (): pass",
        "def f(value=print()): pass",
    ],
)
def test_what_is_not_simply_defined_has_no_part_of_the_file(text):
    assert function_source(text, "f", module="rewards") is None


def test_lines_are_whole_and_those_of_the_file():
    text = "A = 1; B = 2\r\nC = '''\x0c\r\n'''\rdef f():\n    return A, \\\n        C\n"
    expected = "A = 1; B = 2\nC = '''\x0c\n'''\ndef f():\n    return A, \\\n        C"
    assert function_source(text, "f", module="m") == expected


def test_the_quickstart_rewards_are_apart():
    text = (Path(__file__).parents[2] / "examples" / "quickstart" / "rewards.py").read_text()

    def changed(old: str, new: str) -> set[str]:
        assert old in text
        names = ("brevity", "safety", "humour")
        parts = [[function_source(version, name, module="rewards") for name in names]
                 for version in (text, text.replace(old, new))]  # fmt: skip
        return {name for name, before, after in zip(names, *parts, strict=True) if before != after}

    assert changed("0.8 ** _count", "0.9 ** _count") == {"humour"}
    assert changed("jokes?|", "jokes?|wit|") == {"humour"}
    assert changed("FIRST_SENTENCE = 0.6", "FIRST_SENTENCE = 0.7") == {"safety", "humour"}
    assert changed("USEFUL_WORDS = 6", "USEFUL_WORDS = 7") == {"brevity"}
    assert changed("They look for words", "All look for words") == set()


# Random modules: A, B, C are data, h and k helpers, g another reward that is called before f.
_PARTS = {"n": st.integers(0, 3), "v": st.sampled_from("ABC"), "f": st.sampled_from("hkg")}


def _one_of(*templates: str):
    fields = [[name for _, name, *_ in Formatter().parse(template) if name] for template in templates]
    plain = [re.sub(r"\{\w\}", "{}", template) for template in templates]
    return st.one_of(
        st.builds(template.format, *(_PARTS[name] for name in names))
        for template, names in zip(plain, fields, strict=True)
    )


_PARTS["e"] = _one_of(
    "{n}", "[{n}, {v}]", "({n}, {v})", "{v}", "{{'x': {n}}}", "{v} * 2", "sorted([{n}, {n}])", "tuple(q for q in {v})",
    "h({n})", "k({n})", "A.append({n})", "[C.append(q) for q in range({n})]",
    "max(range(3), key=lambda q: A.append({n}))", "(lambda: {v})", "(B := {v})",
)  # fmt: skip
_PARTS["s"] = _one_of(
    "{v} = {e}", "{v}: int = {e}", "{v} = {v} = {e}", "{v}, {v} = {e}, {e}", "{v} += {e}", "{e}", "{v}['x'] = {e}",
    "{v}.append({e})", "{f}.z = {e}",
)  # fmt: skip
_top = _one_of(
    "{s}",
    "for {v} in range({n}): {s}",
    "if {e}:\n    {s}",
    "try:\n    {s}\nexcept Exception as {v}:\n    A = {n}",
    "class K:\n    {s}",
    "class K:\n    v = {e}\nC = K",
    "del {v}",
    "def unused(v={e}): return v",
    "@(lambda q: [{e}, q][1])\ndef k(v): return v",
    "from statistics import mean as {v}",
    "from statistics import median as {v}",
)
_line = _one_of(
    "return str({e})", "return {n}", "{v}.append(v)", "{v}['x'] = v", "q = {v}; q.append(v)", "{f}.z = v + {n}",
    "return {f}.z", "def inner(): return str({v})\n    return inner()",
)  # fmt: skip


def _function(name: str):
    head = st.sampled_from([f"def {name}(v):", f"def {name}(v, s=[]):\n    s.append(v)\n    v = v + len(s)"])
    return st.builds("{}\n    {}\n    {}".format, head, _line, _line)


_modules = st.tuples(
    *(st.just(text) for text in ("A = [1]", "B = 2", "C = {'x': 1}")),
    *(_function("k"), _function("h"), _top, _top, _function("g"), _function("f"), _top),
)


def outcome(statements: list[str]) -> list[str] | None:
    """What f gives when g is called in between; None for a module that cannot be imported."""
    space = {"__name__": "random_module"}
    try:
        exec(compile("\n".join(statements), "random_module.py", "exec"), space)
    except Exception:
        return None
    found = []
    for name in ("g", "f", "g", "f"):
        try:
            found.append(f"{name} {space[name](1)}")
        except Exception as error:
            found.append(f"{name} {type(error).__name__}")
    # Addresses in memory are no values.
    return [re.sub(r"0x[0-9a-f]+", "", entry) for entry in found if entry.startswith("f ")]


def runnable(statements: tuple[str, ...]) -> list[str]:
    """The statements without those that fail after the ones before them."""
    kept = []
    for statement in statements:
        if outcome([*kept, statement]) is not None:
            kept.append(statement)
    return kept


@settings(max_examples=300)
@given(_modules, st.data())
def test_an_edit_that_changes_a_value_changes_the_source(module, data):
    module = runnable(module)
    place = data.draw(st.integers(0, len(module) - 1))
    kind = re.match(r"def ([khgf])\(", module[place])
    edited = [*module[:place], data.draw(_function(kind[1]) if kind else _top), *module[place + 1 :]]
    results = [outcome(version) for version in (module, edited)]
    assume(None not in results)
    texts = ["\n".join(version) for version in (module, edited)]
    before, after = (function_source(text, "f", module="random_module") or text for text in texts)
    event(f"value changed: {results[0] != results[1]}, source changed: {before != after}")
    if results[0] != results[1]:
        assert before != after
