"""The line of every value of arbitrary JSON, and the form in which files are written."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palm.storage.files import json_text
from palm.verification.certificate_file import line_of

NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers()
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def places(value, place=()):
    yield place, value
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in inside:
        yield from places(part, (*place, step))


@settings(max_examples=40)
@given(VALUES, st.sampled_from([None, 0, 2]))
def test_every_value_starts_on_its_line(value, indent):
    """What starts on the line that is named, from there on, is that value."""
    text = json.dumps(value, indent=indent)
    for place, part in places(value):
        rest = "\n".join(text.split("\n")[line_of(text, place) - 1 :])
        starts = [at for at in range(len(rest.split("\n")[0]) + 1) if reads_as(rest[at:], part)]
        assert starts


def reads_as(text, value):
    try:
        return json.loads(json.dumps(value)) == json.JSONDecoder().raw_decode(text)[0]
    except ValueError:
        return False


TEXT = """{
  "a": {"b": [1,
    2], "weights [": "] {"},
  "weights"
  : [
    [0.5, 1e-05],
    [NaN, 1]
  ]
}"""


LINES = [
    ((), 1), (("a",), 2), (("a", "b", 0), 2), (("a", "b", 1), 3), (("a", "weights ["), 3), (("weights",), 5),
    (("weights", 0), 6), (("weights", 0, 1), 6), (("weights", 1, 0), 7),
    # The line of a missing value is that of the value around it.
    (("weights", 2), 5), (("a", "c", "d"), 2), (("none",), 1), (("a", "b", 0, "x"), 2),
]  # fmt: skip


@pytest.mark.parametrize(("place", "line"), LINES)
def test_lines(place, line):
    assert line_of(TEXT, place) == line


@given(VALUES)
def test_what_is_written_reads_back(value):
    assert json.loads(json_text(value)) == json.loads(json.dumps(value))


def test_every_vector_is_on_one_line():
    text = json_text(
        {"name": "[\n 1 \n]", "rows": [[1, -0.5, 1e-300], [2.0, 3, 4]], "flat": [1.0], "none": [], "mixed": [1, None]}
    )
    assert text.split("\n") == [
        "{",
        '  "name": "[\\n 1 \\n]",',
        '  "rows": [',
        "    [1, -0.5, 1e-300],",
        "    [2.0, 3, 4]",
        "  ],",
        '  "flat": [1.0],',
        '  "none": [],',
        '  "mixed": [',
        "    1,",
        "    null",
        "  ]",
        "}",
    ]
    with pytest.raises(ValueError):
        json_text([float("nan")])
