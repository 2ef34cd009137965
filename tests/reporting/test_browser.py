"""The page as a person sees it, in headless Chromium."""

import shutil

import pytest
from support.summaries import edited, make_summary

from palm.reporting.page import write_report

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)"),
]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# Pairs of siblings whose boxes overlap by more than a pixel: sections, cards, figures and cells of a row.
OVERLAPS = """() => {
  const groups = ['main', '.keys', '.panels', '.prompts', '.responses', '.folds', 'header', 'section',
                  '.panel', '.key', '.response', 'tr'];
  const found = [];
  for (const group of groups) for (const parent of document.querySelectorAll(group)) {
    const boxes = [...parent.children].map(child => [child, child.getBoundingClientRect()])
      .filter(([child, box]) => box.width && box.height && !(group === 'tr' && child.tagName === 'TH'));
    boxes.forEach(([a, p], i) => boxes.slice(i + 1).forEach(([b, q]) => {
      const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
      const high = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
      if (wide > 1 && high > 1) found.push([group, a.outerHTML.slice(0, 60), b.outerHTML.slice(0, 60)]);
    }));
  }
  return found;
}"""
# Elements whose content is wider than their box without being allowed to scroll.
SPILLS = """() => [...document.querySelectorAll('main *:not(svg *)')]
  .filter(e => e.tagName !== 'svg' && !e.closest('.scroll')
    && e.clientWidth && e.scrollWidth > e.clientWidth + 1
    && !['auto', 'scroll', 'hidden'].includes(getComputedStyle(e).overflowX))
  .map(e => e.outerHTML.slice(0, 80))"""
CELL_SPILLS = """() => [...document.querySelectorAll('td, th')]
  .filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    long = make_summary(3, 8, 3, names=("helpfulness_to_the_user_under_uncertainty", "x" * 60, "c"))
    summaries = {
        "three": make_summary(),
        "two": make_summary(2, 9, 3),
        "five": make_summary(5, 50, 7),
        "eight": make_summary(8, 12, 3, names=[f"a_reward_of_some_length_{i}" for i in range(8)]),
        "long": edited(
            long,
            samples__0__prompt="w" * 300,
            samples__0__responses__1__response="v" * 300 + "\n" + "a b " * 800,
            promotion__reason="r" * 200,
        ),
    }
    for name, summary in summaries.items():
        write_report(summary, folder / f"{name}.html")
    return {name: folder / f"{name}.html" for name in summaries}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 420])
@pytest.mark.parametrize("name", ["three", "two", "five", "long"])
def test_nothing_overlaps_overflows_or_is_fetched(browser, reports, name, width, scheme):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    problems, requests = [], []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(reports[name].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert problems == []
    assert requests == [reports[name].as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVERLAPS) == []
    assert page.evaluate(SPILLS) == []
    assert page.evaluate(CELL_SPILLS) == []
    figures = page.locator("figure svg")
    boxes = [figures.nth(index).bounding_box() for index in range(figures.count())]
    assert len(boxes) >= 4
    assert min(box["width"] for box in boxes) >= 250 and min(box["height"] for box in boxes) >= 230
    page.close()


@pytest.mark.parametrize("name", ["three", "five", "eight"])
def test_every_column_of_numbers_is_seen_on_a_laptop(browser, reports, name):
    """Nobody scrolls a table sideways to find a column that is not known to be there."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(reports[name].as_uri())
    table = page.get_by_role("region", name="Table of policies")
    assert table.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    right = table.evaluate("e => e.getBoundingClientRect().right")
    cells = table.locator("tbody td")
    ends = cells.evaluate_all("all => all.map(e => e.getBoundingClientRect().right)")
    assert max(ends) <= right + 1
    # A number and its sign are in one line.
    broken = """all => all.flatMap(e => [...e.childNodes]).filter(n => n.nodeType === 3 && n.data.trim())
      .filter(n => { const r = document.createRange(); r.selectNodeContents(n); return r.getClientRects().length > 1; })
      .map(n => n.data)"""
    assert table.locator("tbody td:not(.weights)").evaluate_all(broken) == []
    page.close()


def test_figures_and_text_follow_the_theme(browser, reports):
    brightness = {}
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(reports["three"].as_uri())
        script = "e => getComputedStyle(e).fill.match(/[0-9]+/g).slice(0, 3).reduce((a, b) => a + +b, 0)"
        ink = page.locator("figure svg [style*='--ink']").first.evaluate(script)
        card = page.locator("figure").first.evaluate(script.replace("fill", "backgroundColor"))
        brightness[scheme] = (ink, card)
        page.close()
    assert brightness["light"][0] < 150 < 700 < brightness["light"][1]
    assert brightness["dark"][1] < 150 < 600 < brightness["dark"][0]


def test_the_page_works_in_a_sandboxed_frame_without_scripts(browser, reports):
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    page.set_content('<iframe sandbox="" style="width: 1000px; height: 800px"></iframe>')
    page.locator("iframe").evaluate("(frame, html) => frame.srcdoc = html", reports["three"].read_text())
    frame = page.frame_locator("iframe")
    frame.locator("h1").wait_for()
    assert frame.locator("h1").inner_text() == "quickstart"
    prompts = frame.locator("details.prompt")
    assert not prompts.nth(2).locator(".responses").is_visible()
    prompts.nth(2).locator("summary").click()
    assert prompts.nth(2).locator(".responses").is_visible()
    page.close()
