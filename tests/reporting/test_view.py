import pytest
from support.summaries import edited

from palm.reporting.view import policy_views, server_of, verdict


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
