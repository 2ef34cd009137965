import copy

import pytest

from palm.errors import DataError
from palm.reporting.view import check_build, policy_views, server_of, verdict


def test_kept_policies_come_first_in_the_portfolios_order(build):
    views = policy_views(build)
    portfolio = build["selection"]["portfolio"]
    assert [view.record["policy"] for view in views[:4]] == portfolio
    assert [view.short for view in views] == [f"P{number}" for number in range(1, 13)]
    assert [view.chosen for view in views] == [True] * 4 + [False] * 8
    assert [view.usage for view in views[:4]] == [build["selection"]["usage"][name] for name in portfolio]
    assert len({view.colour for view in views[:4]}) == 4
    assert len({view.colour for view in views[4:]}) == 1


def test_a_preference_is_served_by_the_kept_policy_with_the_highest_objective(build):
    views = policy_views(build)
    for corner in range(3):
        weights = [float(corner == index) for index in range(3)]
        best = max(views[:4], key=lambda view: view.record["value_vector"][corner])
        assert server_of(weights, views) == best


def test_verdicts(build):
    assert verdict(build).kind == "good"
    assert verdict(build).headline == "Promoted: palm-quickstart version 4 is now champion"
    refused = copy.deepcopy(build)
    refused["promotion"] |= {"promoted": False, "reason": "ε is too large"}
    assert (verdict(refused).kind, verdict(refused).reason) == ("warning", "ε is too large")
    assert "Not promoted" in verdict(refused).headline
    assert verdict(build | {"promotion": None}).headline == "Registered as palm-quickstart version 4"
    assert verdict(build | {"promotion": None, "registration": None}).headline == "Not registered"


def test_a_build_that_cannot_be_shown_is_refused(build):
    incomplete = {key: value for key, value in build.items() if key != "design"}
    with pytest.raises(DataError, match="design"):
        check_build(incomplete)
    with pytest.raises(DataError, match="at least one"):
        check_build(build | {"policies": []})
    with pytest.raises(DataError, match="policy-unknown"):
        check_build(build | {"selection": build["selection"] | {"portfolio": ["policy-unknown"]}})
    short = copy.deepcopy(build)
    short["policies"][0]["weights"] = [0.5, 0.5]
    with pytest.raises(DataError, match="3 weights"):
        check_build(short)
