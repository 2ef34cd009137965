import math

import pytest

from palm.reporting import numbers


@pytest.mark.parametrize(
    ("value", "up", "down"),
    [
        (0.0304, "3.04 %", "3.04 %"),
        (0.03041, "3.05 %", "3.04 %"),
        (0.3, "30.00 %", "30.00 %"),
        (0.99999, "100.00 %", "99.99 %"),
        (0.0, "0.00 %", "0.00 %"),
        (None, "–", "–"),
        (math.nan, "–", "–"),
    ],
)
def test_certificates_round_towards_safety(value, up, down):
    assert numbers.percent_up(value) == up
    assert numbers.percent_down(value) == down


def test_fixed_writes_a_minus_sign_but_no_minus_zero():
    assert numbers.fixed(-0.25, 2) == "−0.25"
    assert numbers.fixed(-0.0001, 2) == "0.00"
    assert numbers.fixed(math.inf) == "–"


def test_preference_in_words_is_ranked_and_drops_what_is_negligible():
    assert numbers.in_words([0.3, 0.698, 0.002], ["safety", "humour", "brevity"]) == "70 % humour, 30 % safety"


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.25, "4.2 s"), (90, "2 min"), (3599, "1 h 00 min"), (3900, "1 h 05 min"), (None, "–")]
)
def test_duration(seconds, text):
    assert numbers.duration(seconds) == text


def test_moment_is_written_for_people():
    assert numbers.moment("2026-11-23T21:00:00+00:00") == "23 November 2026, 21:00 UTC"


def test_breakable_names_are_escaped_and_break_after_underscores():
    assert numbers.breakable("a<b_c") == "a&lt;b_<wbr>c"
    assert numbers.breakable("x" * 17) == "x" * 16 + "<wbr>x"
    assert numbers.breakable("x" * 17 + "_y z") == "x" * 16 + "<wbr>x_<wbr>y <wbr>z"
