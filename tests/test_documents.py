"""Documents: paths and links that they name exist, and README stays one page."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GLOBS = ("*.md", "docs/*.md", "examples/*/README.md", "components/images/README.md")
PAGES = [str(path.relative_to(ROOT)) for glob in GLOBS for path in sorted(ROOT.glob(glob))]
ROOMS = ("palm", "components", "pipelines", "tests", "docs", "examples", "manifests", "benchmarks", "requirements")


def test_every_path_in_contributing_exists():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    paths = [path for path in re.findall(r"`([\w./-]+)`", text) if path.split("/")[0] in ROOMS]
    assert len(paths) > 60
    assert not [path for path in paths if not (ROOT / path).exists()]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_has_a_target(page):
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target


def test_readme_is_one_page():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200
    assert (ROOT / "docs" / "portfolio.png").stat().st_size < 200_000
