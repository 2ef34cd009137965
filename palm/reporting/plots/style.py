"""Style: the colours and Matplotlib settings of all figures and the page."""

import textwrap
from collections.abc import Callable, Sequence
from functools import wraps
from typing import NamedTuple

import matplotlib as mpl

SIZE_INCHES = (4.5, 4.2)

# The page replaces these five by CSS variables, so that figures follow the reader's light or dark theme.
INK = "#1f2329"
MUTED = "#5f6873"
RULE = "#d3d9e0"
PAPER = "#fefefe"
ALERT = "#c41f2b"

UNCHOSEN = "#8a939e"

CENTRED_TEXT = {"ha": "center", "va": "center_baseline", "fontweight": "bold"}
DOT = {"edgecolors": PAPER, "linewidths": 0.8, "clip_on": False, "zorder": 5}

# First the hues of Okabe and Ito (2008), distinguishable with every common colour blindness, without their
# black, which is the ink, and with yellow last, because it is faint on white. Then mid tones after Tol's
# muted scheme (2021): darker or lighter shades would vanish on a dark or a light page.
_POLICY_COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#f0e442",
    "#aa4499",
    "#999933",
    "#44aa99",
    "#cc6677",
    "#7a6fd0",
    "#a0522d",
    "#6b8e23",
)

_SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "axes.labelsize": 10.5,
    "legend.fontsize": 10,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "figure.facecolor": "none",
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "svg.fonttype": "path",
    "svg.hashsalt": "palm",
}


class Look(NamedTuple):
    """Names of the rewards, and label and colour of each policy or weight vector, in a figure."""

    reward_names: Sequence[str]
    labels: Sequence[str]
    colours: Sequence[str]


def policy_colour(rank: int) -> str:
    """Colour ``#rrggbb`` of the policy at a position of the portfolio, from 0.

    From 14 on the colours repeat and only labels tell policies apart; every figure and table has them.
    """
    return _POLICY_COLOURS[rank % len(_POLICY_COLOURS)]


def text_on(colour: str) -> str:
    """Black or white, whichever has the higher contrast (WCAG 2.2) on a background ``#rrggbb``."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in mpl.colors.to_rgb(colour)]
    luminance = 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]
    return "#000000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#ffffff"


def wrapped(name: str, width: int = 18) -> str:
    """Break a long name after underscores or spaces into lines of at most ``width`` characters."""
    pieces = name.replace("_", "_ ").split()
    lines = [""]
    for piece in (part for long in pieces for part in textwrap.wrap(long, width)):
        glue = "" if not lines[-1] or lines[-1].endswith("_") else " "
        if lines[-1] and len(lines[-1] + glue + piece) > width:
            lines.append(piece)
        else:
            lines[-1] += glue + piece
    return "\n".join(lines)


def styled(function: Callable) -> Callable:
    """Decorate a function that draws a figure: it uses these settings, whatever the caller's are."""

    @wraps(function)
    def wrapper(*args, **kwargs):
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(_SETTINGS)
            return function(*args, **kwargs)

    return wrapper
