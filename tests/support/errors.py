"""Errors of one line."""

from contextlib import contextmanager

import pytest


@contextmanager
def one_line(error: type[Exception], *words: str):
    """The block raises an error whose message is one line with these words in it."""
    with pytest.raises(error) as caught:
        yield caught
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message
