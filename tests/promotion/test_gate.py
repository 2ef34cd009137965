"""The gate on constructed measurements: every condition by itself, and its reason in words."""

import numpy as np
import pandas as pd
import pytest
from support.gate_setting import GateSetting
from support.small_portfolio import small_candidate, small_selection

from palm.artifacts.evaluation import Guard
from palm.artifacts.selection import Missing
from palm.config.load import load_config
from palm.errors import DataError
from palm.geometry.portfolio.certificate import certify
from palm.promotion.gate import judge


@pytest.fixture
def setting(workspace):
    return GateSetting(workspace)


def comparison(judged):
    return next(check for check in judged.checks if "version 3" in check.name)


WIDTHS = ("largest loss of any preference against version 3", "metric polite")
GAIN = "mean gain over the reference"
LOSS = "largest loss of any preference against the reference"
NEW = {"a": (0.8, 0.3), "b": (0.3, 0.8)}


def test_the_first_portfolio_is_compared_with_no_champion(setting):
    judged = setting.judge(NEW)
    assert judged.passed and judged.against is None
    assert [check.name for check in judged.checks] == ["worst-case gap", GAIN, LOSS, "guards that fired in training"]
    first, *others = judged.reason.split("; ")
    assert first == "worst-case gap 0.0500 (bound 0.1000) keeps the limit 0.2"
    assert others[0].startswith(f"{GAIN} 0.") and others[0].endswith("keeps the limit 0")
    assert others[1].startswith(f"{LOSS} -0.") and others[1].endswith("keeps the limit 0.02 (bounds at 95%)")


def test_the_bound_of_the_gap_decides_not_the_estimate(setting):
    judged = setting.judge(NEW, upper=0.201)
    assert not judged.passed
    assert judged.reason.startswith("worst-case gap 0.0500 (bound 0.2010) breaks the limit 0.2; raise selection.size")


def test_without_an_interval_there_is_no_bound_and_no_promotion(setting):
    judged = setting.judge(NEW, interval=False)
    assert not judged.passed and "it has no bound, as some resampled prompts leave no ε" in judged.reason


def test_losses_are_found_between_the_corners_too(setting):
    """At both corners the new portfolio is as good as the old one; in the middle it lacks the policy for that."""
    setting.champion("3", {"x": (0.8, 0.3), "y": (0.3, 0.8), "middle": (0.65, 0.65)})
    judged = setting.judge(NEW, max_loss=0.05)
    check = comparison(judged)
    assert not judged.passed and judged.against == "3"
    assert check.value == pytest.approx(0.1, abs=0.03) and check.bound >= check.value and check.limit == 0.05
    assert "length 0.5" in check.detail and "largest loss of any preference against version 3 0." in judged.reason


def test_no_preference_loses_with_the_same_policies_and_one_more(setting):
    setting.champion("3", {"x": (0.5, 0.3)})
    judged = setting.judge({"a": (0.9, 0.3), "b": (0.3, 0.8)})
    check = comparison(judged)
    assert judged.passed and check.value <= check.bound < 0.02


def test_the_loss_is_the_additive_gap_of_the_certificate(setting):
    old, new = {"x": (0.8, 0.3), "y": (0.35, 0.8)}, {"a": (0.7, 0.4), "b": (0.3, 0.75)}
    setting.noise = 0
    setting.champion("3", old)
    check = comparison(setting.judge(new))
    values = np.array([*old.values(), *new.values()])
    assert check.value == pytest.approx(certify(values, [2, 3]).additive_gap, abs=1e-7)


def test_small_losses_do_not_add_up(setting):
    """Against the champion each is small; the champion before it was better."""
    setting.noise = 0
    best, champion = {"best": (0.8, 0.3)}, {"x": (0.785, 0.3)}
    setting.champion("3", champion, baseline=[("1", best, "")])
    judged = setting.judge({"a": (0.77, 0.3)})
    assert not judged.passed and "against version 1 0.0300" in judged.reason
    assert "--override --reset-baseline" in judged.reason and "against version 3" not in judged.reason
    judged = setting.judge({"a": (0.79, 0.3)})
    assert judged.passed and judged.baseline == ("1",)
    # What is better for nobody any more is dropped.
    judged = setting.judge({"a": (0.8, 0.31)})
    assert judged.passed and judged.baseline == ()


def test_an_earlier_champion_that_cannot_be_measured_stops_promotion_until_a_person_resets_the_baseline(setting):
    gone = ("1", {}, "nothing is recorded of its policies")
    setting.champion("3", {"x": (0.5, 0.3)}, baseline=[gone, ("2", {"y": (0.4, 0.3)}, "")])
    judged = setting.judge(NEW)
    assert not judged.passed and "--reset-baseline" in judged.reason
    assert "version 1: nothing is recorded of its policies, so J cannot be compared" in judged.reason


def test_what_cannot_be_compared_is_not_promoted(setting):
    setting.champion("3", {}, incomparable="it is over another base model")
    judged = setting.judge(NEW)
    assert not judged.passed and "it is over another base model, so J cannot be compared" in judged.reason


def test_a_handful_of_prompts_bounds_nothing(setting):
    setting.prompts = setting.prompts[:7]
    judged = setting.judge(NEW)
    assert not judged.passed and "held-out prompts: 7 are too few for any bound" in judged.reason


def test_copies_of_a_prompt_count_once(setting):
    setting.prompts = ["one prompt", "one  prompt "] * 20
    judged = setting.judge(NEW, min_metrics={"polite": 0.4})
    assert not judged.passed and "held-out prompts: 40 are 1 different ones, too few for any bound" in judged.reason


def test_copies_of_prompts_make_no_bound_narrower(setting):
    """Twenty prompts, and the same measurements four times over."""
    setting.champion("3", {"x": (0.5, 0.3)})
    setting.prompts, setting.noise = setting.prompts[:20], 0.1
    setting.champion("3", {"x": (0.5, 0.3)})
    limits = {"max_loss": 1.0, "min_metrics": {"polite": 0.0}}
    once = setting.judge(NEW, **limits)
    for path in setting.folder.rglob("*.parquet"):
        table = pd.read_parquet(path)
        pd.concat([table] * 4).to_parquet(path)
    copies = judge(
        load_config(setting.folder / "portfolio.yaml"),
        selection=small_selection(portfolio=tuple(NEW), policies=[small_candidate(name) for name in NEW]),
        evaluations=[setting.folder / f"new-{name}" for name in NEW],
        plan=setting.folder / "plan",
    )
    bounds = [[check.bound for check in judged.checks if check.name in WIDTHS] for judged in (once, copies)]
    assert len(bounds[0]) == len(WIDTHS) and bounds[0] == pytest.approx(bounds[1], abs=0.01)
    values = [[check.value for check in judged.checks if check.name in WIDTHS] for judged in (once, copies)]
    assert values[0] == pytest.approx(values[1], abs=1e-9)


def test_policies_that_are_all_useless_do_not_pass(setting):
    """They are as good as each other, so the worst-case gap is 0."""
    useless = {"a": (0.05, 0.06), "b": (0.06, 0.05)}
    judged = setting.judge(useless, epsilon=0.0, upper=0.0)
    check = next(check for check in judged.checks if check.name == GAIN)
    assert not judged.passed and check.bound <= check.value < 0 and f"{GAIN} -0.0" in judged.reason
    assert "breaks the limit 0; train longer" in judged.reason and LOSS in judged.reason
    # Their gain may be too small to be seen.
    setting.reference = (0.05, 0.05)
    assert not setting.judge(useless, epsilon=0.0, upper=0.0).passed
    assert setting.judge(useless, epsilon=0.0, upper=0.0, min_gain=-0.1).passed


def test_no_preference_may_be_far_below_the_reference(setting):
    setting.reference = (0.1, 0.9)
    judged = setting.judge(NEW)
    check = next(check for check in judged.checks if check.name == LOSS)
    assert not judged.passed and "vowels 1.00" in check.detail and check.value == pytest.approx(0.1, abs=0.03)
    assert GAIN not in judged.reason and setting.judge(NEW, max_loss=0.2).passed


def test_a_reward_that_cannot_be_raised_is_no_reason_to_refuse(setting):
    setting.reference, setting.noise = (0.1, 0.8), 0
    judged = setting.judge({"a": (0.8, 0.3), "b": (0.3, 0.79)})
    assert judged.passed and next(check for check in judged.checks if check.name == LOSS).bound > 0


def test_an_evaluation_of_other_prompts_is_an_error(setting):
    setting.champion("3", {"x": (0.5, 0.3), "y": (0.3, 0.5)})
    path = setting.folder / "plan" / "evaluations" / "x" / "samples.parquet"
    pd.read_parquet(path).assign(prompt="another").to_parquet(path)
    with pytest.raises(DataError, match="different prompts"):
        setting.judge(NEW)


def test_a_guard_on_a_member_refuses(setting):
    judged = setting.judge(NEW, guard=Guard(kind="kl", message="KL is 40 nats at step 3", step=3, good_step=2))
    assert not judged.passed and "a: KL is 40 nats at step 3" in judged.reason


def test_a_metric_below_its_limit_refuses_though_all_rewards_are_fine(setting):
    assert setting.judge(NEW, min_metrics={"polite": 0.4}).passed
    for place in setting.folder.glob("new-*"):
        place.rename(place.with_name(f"old-{place.name}"))
    judged = setting.judge(NEW, metric=0.405)
    check = next(check for check in judged.checks if check.name == "metric polite")
    assert not judged.passed and check.value > 0.39 and check.bound < 0.4 and check.detail in NEW
    assert "metric polite" in judged.reason and "a reward may be gamed" in judged.reason


def test_missing_policies_are_named_up_to_the_allowed_number(setting):
    missing = (Missing(weights=(0.3, 0.7), error="loss is not a number"),)
    judged = setting.judge(NEW, missing=missing)
    check = next(check for check in judged.checks if check.name == "policies whose training failed")
    assert judged.passed and (check.value, check.limit) == (1, 1)
    assert "policies whose training failed: 0.300 0.700: loss is not a number" in judged.reason
