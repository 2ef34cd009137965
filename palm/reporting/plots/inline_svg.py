"""Inline SVG: a Matplotlib figure as markup inside an HTML page."""

import io
import re

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from palm.reporting.plots.style import ALERT, INK, MUTED, PAPER, RULE

_THEME = {INK: "var(--ink)", MUTED: "var(--muted)", RULE: "var(--rule)", PAPER: "var(--card)", ALERT: "var(--alert)"}
# Metadata and the document type name web addresses, the style element would apply to the whole page.
_NOT_INLINE = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>|<style.*?</style>"
    r'|\s+xmlns(?::\w+)?="[^"]*"',
    re.S,
)


def inline_svg(figure: Figure, *, name: str, description: str) -> Markup:
    """Render a figure as one ``<svg>`` element that follows the page's theme and fetches nothing.

    The same figure gives the same bytes. The name, unique on the page, prefixes every id; the description is for
    screen readers.
    """
    stream = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "palm", "svg.fonttype": "path"}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    text = _NOT_INLINE.sub("", stream.getvalue()).replace("xlink:href", "href").strip()
    text = re.sub(r"(\bid=\"|href=\"#|url\(#)", rf"\g<1>{name}-", text)
    for colour, variable in _THEME.items():
        text = text.replace(colour, variable)
    width, height = (float(size) for size in re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text).groups())
    label = escape(description)
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}pt" height="{height:g}pt"'
    return Markup(f'<svg role="img" aria-label="{label}" {size}>' + text[text.index(">") + 1 :])
