"""The line of a value in a JSON text."""

import re
from json import JSONDecoder

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = JSONDecoder()


def line_of(text, place):
    """Find the line on which a value starts.

    Args:
        text: JSON that can be read without an error.
        place: keys and row numbers that lead to the value, e.g. ``("weights", 12)``.

    Returns:
        The line, counted from 1; that of the innermost value on the way, if the place does not exist.
    """
    at = _skip_space(text, 0)
    for step in place:
        found = _enter(text, at, step)
        if found is None:
            break
        at = found
    return text.count("\n", 0, at) + 1


def _enter(text, at, step):
    """Find where a value inside the array or object at ``at`` starts; None if it is not there."""
    opening = text[at]
    if opening not in "[{":
        return None
    at, number = _skip_space(text, at + 1), 0
    while text[at] not in "]}":
        key = number
        if opening == "{":
            key, at = _DECODER.raw_decode(text, at)
            at = _skip_space(text, _skip_space(text, at) + 1)
        if key == step:
            return at
        at = _skip_space(text, _DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _skip_space(text, at + 1)
        number += 1
    return None


def _skip_space(text, at):
    return _SPACE.match(text, at).end()
