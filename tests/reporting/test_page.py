import re
from html.parser import HTMLParser

import pytest
from support.summaries import edited, make_summary

from palm.reporting.page import render_report, write_report
from palm.reporting.view import policy_views, server_of, verdict

LONG_NAMES = ("helpfulness_to_the_user_under_uncertainty", "x" * 60, "c")
VOID = {"meta", "br", "wbr"}


class Page(HTMLParser):
    """Text, tags and attributes of a page; fails on elements that are not closed in order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.pieces, self.identifiers = [], [], [], []
        self.feed(html)
        assert self.open == []
        self.text = re.sub(r"\s+", " ", "".join(self.pieces))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.identifiers += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.identifiers += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.pieces.append(data)


def test_the_numbers_on_the_page_are_those_of_the_build(summary):
    interval = {**summary.selection.interval.model_dump(), "low": 0.02109, "high": 0.04401}
    figures = {"epsilon": 0.030401, "epsilon_bound": 0.02991, "worst_weights": [0.1, 0.3, 0.6], "interval": interval}
    summary = edited(summary, **{f"selection__{key}": value for key, value in figures.items()})
    text = Page(render_report(summary)).text
    assert "4 of 12" in text
    assert "3.05 %" in text and "not below 2.99 % with 4 kept" in text
    assert "95 % interval 2.10 % to 4.41 %" in text
    assert "60 % humour, 30 % safety, 10 % brevity" in text
    for policy in summary.policies:
        assert policy.policy in text
        for measured in (*policy.rewards.values(), policy.gain):
            assert f"{measured.mean:.3f} ± {measured.standard_error:.3f}" in text
        assert f"{policy.objective_optimum.mean:.3f}" in text
        assert f"({100 * policy.share_interval.low:.0f} % to {100 * policy.share_interval.high:.0f} %)" in text
        assert f"{policy.kl.mean:.2f} ± {policy.kl.standard_error:.2f}" in text
    for share in summary.selection.usage.values():
        assert f"{100 * share:.1f} %" in text
    assert text.count("not kept") == 8
    assert "build-7f3a0c" in text and "quickstart" in text and "Previous championversion 3" in text


def test_a_proven_optimum_is_called_one(summary):
    proven = edited(summary, selection__epsilon_bound=summary.selection.epsilon)
    assert "Proven to be the smallest with 4 kept" in Page(render_report(proven)).text


def test_without_an_interval_none_is_shown(summary):
    assert "interval" not in Page(render_report(edited(summary, selection__interval=None))).text


def test_model_output_names_and_configuration_are_escaped(summary):
    attack = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    places = ("samples__0__prompt", "samples__0__responses__1__response", "title", "config_yaml", "promotion__reason")
    page = Page(render_report(edited(summary, **dict.fromkeys(places, attack))))
    assert "script" not in page.tags and "img" not in page.tags
    assert page.text.count(attack) == 6  # title twice, reason, prompt, response, configuration


def test_nothing_is_fetched_and_no_script_runs(summary):
    html = render_report(summary)
    assert not re.search(r"https?:|//[a-z]|<script|<link|<iframe|@import|javascript:", html)
    assert not re.search(r'\b(?:src|href)="(?!#|data:)', html)
    assert not re.search(r"url\((?!#)", html)


@pytest.mark.parametrize(
    "arguments",
    [
        {"dimension": 3, "count": 1, "size": 1},
        {"dimension": 2, "count": 9, "size": 3, "metric_names": ()},
        {"dimension": 4, "count": 12, "size": 5},
        {"dimension": 5, "count": 50, "size": 7},
        {"dimension": 3, "count": 8, "size": 3, "names": LONG_NAMES},
    ],
    ids=["one policy", "two rewards", "four rewards", "fifty policies", "long names"],
)
def test_every_kind_of_build_makes_a_valid_page(arguments):
    html = render_report(make_summary(**arguments))
    page = Page(html)
    assert len(html) < 3_000_000
    assert len(set(page.identifiers)) == len(page.identifiers)
    d, n, k = arguments["dimension"], arguments["count"], arguments["size"]
    assert page.tags.count("svg") == 3 + d * (d - 1) // 2
    assert page.text.count("not kept") == n - k
    assert f"{k} of {n}" in page.text
    assert "nan" not in page.text.lower().split() and "None" not in page.text


def test_every_row_of_a_table_has_a_cell_for_every_heading(summary):
    tables = re.findall(r"<table[^>]*>.*?</table>", render_report(summary), re.S)
    # The gate's three checks, and twice twelve policies with the reference.
    for table, count in zip(tables, (4, 14, 14), strict=True):
        rows = re.findall(r"<tr>.*?</tr>", table, re.S)
        assert len(rows) == count
        assert len({len(re.findall(r"<t[hd]\b", row)) for row in rows}) == 1


def test_what_could_not_be_measured_is_a_dash(summary):
    unknown = edited(summary, policies__0__share_of_gain=None, policies__0__share_interval=None)
    assert Page(render_report(unknown)).text.count("–") == Page(render_report(summary)).text.count("–") + 1


def test_the_run_of_the_mlflow_plugin_can_be_followed(summary):
    link = "http://mlflow.example:5000/#/experiments/3/runs/abc"
    assert f'<a href="{link}">' in render_report(edited(summary, kfp_mlflow_run=link))
    assert "plugin" not in render_report(summary)


def test_an_uncovered_design_names_a_preference_that_it_misses(summary):
    coverage = {"method": "exact", "covered": False, "uncovered_fraction": 1e-7, "counterexample": [0.2, 0.3, 0.5]}
    text = Page(render_report(edited(summary, design__coverage=coverage))).text
    assert "99.99 %" in text and "50 % humour, 30 % safety, 20 % brevity" in text
    text = Page(render_report(summary)).text
    assert "100 % of all preferences" in text and "Not covered" not in text


def test_the_file_appears_whole_and_replaces_an_older_one(summary, tmp_path):
    destination = tmp_path / "reports" / "report.html"
    write_report(summary, destination)
    assert destination.read_text(encoding="utf-8") == render_report(summary)
    write_report(edited(summary, title="second"), destination)
    assert "<h1>second</h1>" in destination.read_text(encoding="utf-8")
    assert [path.name for path in destination.parent.iterdir()] == ["report.html"]


def test_a_policy_that_a_guard_marked_is_reported(summary):
    assert "marked by a guard" not in Page(render_report(summary)).text
    guard = {"kind": "kl", "message": "KL is 12 nats at step 7, the limit is 10", "step": 7, "good_step": 6}
    text = Page(render_report(edited(summary, policies__0__guard=guard))).text
    assert "is marked by a guard: KL is 12 nats at step 7, the limit is 10. Training stopped there" in text
    assert "⚠" in text


def test_kept_policies_come_first_in_the_portfolios_order(summary):
    views, selection = policy_views(summary), summary.selection
    assert tuple(view.record.policy for view in views[:4]) == selection.portfolio
    assert [view.short for view in views] == [f"P{number}" for number in range(1, 13)]
    assert [view.chosen for view in views] == [True] * 4 + [False] * 8
    assert [view.usage for view in views[:4]] == [selection.usage[name] for name in selection.portfolio]
    assert len({view.colour for view in views[:4]}) == 4
    assert len({view.colour for view in views[4:]}) == 1


@pytest.mark.parametrize("corner", range(3))
def test_a_preference_is_served_by_the_kept_policy_with_the_highest_objective(summary, corner):
    views = policy_views(summary)
    best = max(views[:4], key=lambda view: view.record.value_vector[corner])
    assert server_of([float(corner == index) for index in range(3)], views) == best


def test_the_headline_is_the_gates_verdict(summary):
    assert verdict(summary).kind == "good"
    assert verdict(summary).headline == "Promoted: palm-quickstart version 4 is now champion"
    refused = verdict(edited(summary, promotion__promoted=False, promotion__reason="ε is too large"))
    assert (refused.kind, refused.reason) == ("warning", "ε is too large") and "Not promoted" in refused.headline
