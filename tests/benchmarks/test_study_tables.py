"""The study's tables against the measurements."""

import numpy as np
from study_cases import Candidate, Difference, Judged, Versus
from study_diversity import Spread, spread_of
from study_tables import policy_section, portfolio_section, versus_section

from palm.evaluation.diversity import Answers
from palm.geometry.portfolio.statistics import ResampledGap


def record(gain: float, error: float) -> dict:
    scores = {"rewards": {"a": {"mean": 0.5}, "b": {"mean": 0.25}}, "metrics": {"right": {"mean": 0.125}}}
    return {
        **scores,
        "weights": [0.25, 0.75],
        "kl": {"mean": 1.0},
        "objective": {"mean": 0.5 + gain},
        "objective_reference": {"mean": 0.5},
        "gain": {"mean": gain, "standard_error": error},
        "share_of_gain": 0.5,
    }


def test_gains_are_counted_and_the_least_significant_is_named():
    records = [record(0.1, 0.02), record(0.01, 0.01), record(-0.01, 0.02)]
    section = policy_section(["one", "one, two", "two"], records, records[0])
    assert section.note.startswith(
        "J is above J_ref at its own weights for 2 of 3 policies, by at least 2 standard errors for 1; the least sure "
        "is at -0.5 standard errors."
    )
    assert section.columns[2:5] == ("a", "b", "right")
    assert [row[0] for row in section.rows] == ["reference", "one", "one, two", "two"]
    assert section.rows[3][-3:] == ["-0.0100 ± 0.0200", "-0.5", "50%"]


def test_portfolios_without_a_ratio_or_responses_have_rows_too():
    gap = ResampledGap(0.1, np.linspace(0, 0.2, 201))
    whole, nothing = Candidate("palm", 12, "exact", 3, ((0, 1, 2),)), Candidate("reference", 0, "whole", 1, ((3,),))
    judged = [Judged(whole, gap, gap, 2.5, 0.0), Judged(nothing, None, gap, 1.0, 0.0)]
    section = portfolio_section(judged, [Spread(3.0, 0.5, 1.5, 1.2), None], policies=4, prompts=10)
    assert section.rows == [
        ["palm", "12", "exact", "3", "0.100 [0.005, 0.195]", "0.100 [0.005, 0.195]", "2.50", "0", "3.00", "0.500",
         "1.50 (1.20)"],
        ["reference", "0", "whole", "1", "none up to 1", "0.100 [0.005, 0.195]", "1.00", "0", "", "", ""],
    ]  # fmt: skip
    assert all(len(row) == len(section.columns) for row in section.rows)


def test_what_is_not_significant_is_said_to_be_so():
    found = Versus(Difference(0.1, 0.05, 0.2), Difference(-0.1, -0.3, 0.1), None)
    gap = ResampledGap(0.1, np.zeros(2))
    ours, theirs = (
        Judged(Candidate(design, 4, "exact", 2, ((0, 1),)), gap, gap, 2.0, 0.0) for design in ("palm", "random")
    )
    section = versus_section([(ours, theirs)], [found])
    labels = ["palm 4, exact, K = 2", "random 4, exact, K = 2"]
    assert section.rows == [[*labels, "+0.100 [+0.050, +0.200] *", "-0.100 [-0.300, +0.100]", ""]]
    assert "1 of 2 differences are significant; the others are not" in section.note


def test_members_that_say_the_same_are_one_kind():
    prompts = [[[1, 2, 3, 4], [5, 6, 7, 8]]]
    same, other = Answers(prompts), Answers([[[11, 12, 13, 14], [15, 16, 17, 18]]])
    equal, different = (
        spread_of(Candidate("", 2, "whole", 2, (members,)), [same, same, other], ngrams=2, seed=0)
        for members in ((0, 1), (0, 2))
    )
    assert np.isclose(equal.effective_policies, 1)
    assert np.isclose(different.effective_policies, 2)
    assert different.by_chance < 2
    assert spread_of(Candidate("", 0, "whole", 1, ((3,),)), [same, same, other], ngrams=2, seed=0) is None
