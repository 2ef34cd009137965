import re
import xml.etree.ElementTree as ElementTree

from matplotlib.figure import Figure

from palm.reporting.plots.inline_svg import inline_svg
from palm.reporting.plots.style import INK


def _figure():
    figure = Figure(figsize=(2, 1))
    axes = figure.add_subplot()
    axes.set_title("Title", color=INK)
    axes.pcolormesh([[0.0, 1.0]], rasterized=True)
    axes.plot([0, 1], [0, 1], "o-")
    return figure


def test_ids_are_prefixed_and_every_reference_finds_one():
    svg = inline_svg(_figure(), name="one", description="d")
    identifiers = re.findall(r'\bid="([^"]+)"', svg)
    assert identifiers and all(identifier.startswith("one-") for identifier in identifiers)
    assert len(set(identifiers)) == len(identifiers)
    references = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg))
    assert {a or b for a, b in references} <= set(identifiers)


def test_nothing_is_fetched_and_no_style_leaks_into_the_page():
    svg = inline_svg(_figure(), name="one", description="d")
    assert "http" not in svg and "<style" not in svg and "<metadata" not in svg
    assert "data:image/png;base64" in svg
    ElementTree.fromstring(svg)


def test_ink_follows_the_theme_and_bytes_are_stable():
    first = inline_svg(_figure(), name="one", description="d")
    assert "var(--ink)" in first and INK not in first
    assert first == inline_svg(_figure(), name="one", description="d")


def test_description_is_escaped_and_read_aloud():
    svg = inline_svg(_figure(), name="one", description='5 < 6 "quoted"')
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img" and root.get("aria-label") == '5 < 6 "quoted"'
