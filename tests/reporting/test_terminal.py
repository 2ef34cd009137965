"""The summary of a build on the terminal."""

import io
import re

import pytest
from rich.console import Console
from support.summaries import edited, make_summary

from palm.reporting.terminal import policy_tables, show_summary


@pytest.mark.parametrize("width", [60, 80, 120, 140, 200])
@pytest.mark.parametrize(
    ("rewards", "name"), [(2, "humour"), (5, "humour"), (8, "helpfulness_to_the_user_under_doubt")]
)
def test_names_may_be_cut_and_numbers_never(rewards, name, width):
    summary = make_summary(rewards, 10, 3, names=[f"{index}_{name}" for index in range(rewards)])
    console = Console(file=io.StringIO(), width=width)
    for table in policy_tables(summary, width):
        console.print(table)
    shown = console.file.getvalue()
    assert not re.search(r"\d…|…\d", shown.replace("│", "|"))
    assert max(map(len, shown.splitlines())) <= width or (rewards == 8 and width == 60)
    for policy in summary.policies:
        assert policy.policy in shown and all(f"{weight:.2f}" in shown for weight in policy.weights)
        for mean in (*policy.rewards.values(), *policy.metrics.values(), policy.kl, policy.objective):
            assert f"{mean.mean:.3f}" in shown
        assert f"{policy.gain.mean:+.3f}" in shown and f"{policy.gain.standard_error:.3f}" in shown
    assert all(f"{index}_h" in shown for index in range(rewards))


@pytest.mark.parametrize("width", [28, 32, 36, 40])
def test_names_of_policies_are_cut_before_numbers(width):
    summary = make_summary(2, 10, 3, names=["0_humour", "1_helpfulness_to_the_user"])
    console = Console(file=io.StringIO(), width=width)
    for table in policy_tables(summary, width):
        console.print(table)
    shown = console.file.getvalue()
    assert max(map(len, shown.splitlines())) <= width and "policy" in shown
    for policy in summary.policies:
        assert all(f"{weight:.2f}" in shown for weight in policy.weights)
        for mean in (*policy.rewards.values(), policy.kl, policy.objective):
            assert f"{mean.mean:.3f}" in shown
        assert f"{policy.gain.mean:+.3f}" in shown and f"{policy.gain.standard_error:.3f}" in shown


def test_text_of_others_is_no_markup():
    summary = edited(make_summary(), promotion__reason="the gate [/]", title="t[red]")
    console = Console(file=io.StringIO(), width=200)
    show_summary(summary, "[/]", console)
    shown = console.file.getvalue()
    assert "the gate [/]" in shown and "t[red]" in shown and "[/]/report.html" in shown
