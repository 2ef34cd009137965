"""The gate on constructed measurements: every condition by itself, and its reason in words."""

import sys

import numpy as np
import pandas as pd
import pytest
from support.measurements import evaluation
from support.small_portfolio import small_candidate, small_selection
from support.workspace import edit_config

from palm.artifacts.evaluation import Guard
from palm.artifacts.plan import Champion
from palm.artifacts.selection import GapInterval, Missing
from palm.config.load import load_config
from palm.geometry.portfolio.certificate import certify
from palm.promotion.gate import judge

PROMPTS, SAMPLES = 40, 2


@pytest.fixture
def setting(workspace):
    return Setting(workspace)


class Setting:
    """Evaluation folders with given means, and the champion's."""

    def __init__(self, folder):
        self.folder, self.rng, self.noise = folder, np.random.default_rng(0), 0.05
        (folder / "plan" / "evaluations").mkdir(parents=True)
        edit_config(
            folder,
            metrics=[{"name": "polite", "uri": "python:rewards.py:length"}],
            promotion={"max_epsilon": 0.2, "max_loss": 0.02},
        )
        self.champion(None, {})

    def evaluation(self, place, name, rewards, *, metric=0.5):
        place.mkdir(parents=True)
        evaluation(name).write(place)
        shape = (PROMPTS, SAMPLES)
        noises = self.rng.normal(0, 1, size=(PROMPTS, 1)) * self.noise
        table = {
            "prompt_index": np.repeat(np.arange(PROMPTS), SAMPLES),
            "sample": np.tile(np.arange(SAMPLES), PROMPTS),
            "prompt": "p",
            "response": "r",
            "token_ids": [[1]] * (PROMPTS * SAMPLES),
            "truncated": False,
            "kl": 0.0,
            "metric_polite": np.clip(np.full(shape, metric) + noises, 0, 1).ravel(),
        }
        for reward, mean in zip(("length", "vowels"), rewards, strict=True):
            table[f"reward_{reward}"] = np.clip(np.full(shape, mean) + noises, 0, 1).ravel()
        pd.DataFrame(table).to_parquet(place / "samples.parquet")
        return place

    def champion(self, version, policies, incomparable=""):
        Champion(version=version, members=tuple(policies), incomparable=incomparable).write(self.folder / "plan")
        for name, rewards in policies.items():
            self.evaluation(self.folder / "plan" / "evaluations" / name, name, rewards)

    def judge(
        self, policies, *, upper=0.1, epsilon=0.05, guard=None, metric=0.5, interval=True, missing=(), **promotion
    ):
        if promotion:
            edit_config(self.folder, **{f"promotion__{key}": value for key, value in promotion.items()})
        config = load_config(self.folder / "portfolio.yaml")
        folders = [
            self.evaluation(self.folder / f"new-{name}", name, rewards, metric=metric)
            for name, rewards in policies.items()
        ]
        selection = small_selection(
            portfolio=tuple(policies),
            epsilon=epsilon,
            interval=GapInterval.model_construct(upper=upper) if interval else None,
            policies=[small_candidate(name, guard=guard) for name in policies],
            missing=missing,
            min_policies=len(policies),
        )
        return judge(config, selection=selection, evaluations=folders, plan=self.folder / "plan")


def comparison(judged):
    return next(check for check in judged.checks if "version 3" in check.name)


NEW = {"a": (0.8, 0.3), "b": (0.3, 0.8)}


def test_the_first_portfolio_is_compared_with_no_champion(setting):
    judged = setting.judge(NEW)
    assert judged.passed and judged.against is None
    assert [check.name for check in judged.checks] == ["worst-case gap", "guards that fired in training"]
    assert judged.reason == "worst-case gap 0.0500 (bound 0.1000) keeps the limit 0.2 (bounds at 95%)"


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


def test_what_cannot_be_compared_is_not_promoted(setting):
    setting.champion("3", {}, incomparable="it is over another base model")
    judged = setting.judge(NEW)
    assert not judged.passed and "it is over another base model, so J cannot be compared" in judged.reason


def test_a_handful_of_prompts_bounds_nothing(setting, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PROMPTS", 7)
    judged = setting.judge(NEW)
    assert not judged.passed and "held-out prompts: 7 are too few for any bound" in judged.reason


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
