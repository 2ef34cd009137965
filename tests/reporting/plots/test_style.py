import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from palm.reporting.plots.style import UNCHOSEN, policy_colour, styled, text_on, wrapped


def _luminance(colour):
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in mpl.colors.to_rgb(colour)]
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]


def _contrast(first, second):
    low, high = sorted([_luminance(first), _luminance(second)])
    return (high + 0.05) / (low + 0.05)


def test_the_first_fourteen_colours_differ_and_none_is_the_grey_of_the_others():
    assert len({policy_colour(rank) for rank in range(14)} | {UNCHOSEN}) == 15


@pytest.mark.parametrize("rank", range(14))
def test_text_on_a_policy_colour_is_legible(rank):
    colour = policy_colour(rank)
    assert _contrast(colour, text_on(colour)) >= 4.5


def test_long_names_are_wrapped_without_losing_a_character():
    name = "helpfulness_to_the_user_under_uncertainty"
    lines = wrapped(name, 18).split("\n")
    assert "".join(lines) == name
    assert len(lines) == 3 and max(map(len, lines)) <= 18
    assert wrapped("brevity") == "brevity"
    assert all(len(line) <= 10 for line in wrapped("x" * 35, 10).split("\n"))


def test_styled_functions_ignore_and_keep_the_callers_settings():
    with mpl.rc_context({"font.size": 40}):
        size = styled(lambda: Figure().text(0, 0, "$a").get_fontsize())()
        assert size == 10.5
        assert mpl.rcParams["font.size"] == 40
