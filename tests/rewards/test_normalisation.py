import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.config.normalisation import Identity, MinMax, Quantile, Sigmoid
from palm.errors import RewardError
from palm.rewards.normalisation import MAX_KNOTS, fit, normalise

RULES = [Sigmoid(kind="sigmoid"), MinMax(kind="minmax", outside="clip"), Quantile(kind="quantile")]
# Not subnormal: a range of 1e-320 leaves no room for a scale.
RAW = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda x: round(x, 6)), min_size=2, max_size=300).filter(
    lambda values: len(set(values)) > 1
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
@given(raw=RAW, others=RAW)
def test_every_calibrated_rule_is_monotone_and_stays_in_its_range(rule, raw, others):
    fitted = fit(rule, np.array(raw), name="r")
    assert fitted.is_fitted and type(fitted) is type(rule)
    points = np.sort(np.array(raw + others))
    values = normalise(fitted, points)
    assert (values >= 0).all() and (values <= 1).all()
    assert (np.diff(values) >= -1e-12).all()


@given(raw=RAW)
def test_quantile_is_the_mid_rank_distribution_function(raw):
    raw = np.array(raw)
    fitted = fit(Quantile(kind="quantile"), raw, name="r")
    exact = np.array([(raw < x).mean() + 0.5 * (raw == x).mean() for x in raw])
    if len(set(raw)) <= MAX_KNOTS:
        assert normalise(fitted, raw) == pytest.approx(exact, abs=1e-12)
    assert len(fitted.values) <= MAX_KNOTS
    assert normalise(fitted, np.array([raw.min() - 1, raw.max() + 1])).tolist() == [0.0, 1.0]
    # Mid-ranks average to one half, whatever the ties.
    assert exact.mean() == pytest.approx(0.5)


@pytest.mark.parametrize("seed", range(5))
def test_few_knots_stay_within_a_hundredth_of_the_full_distribution_function(seed):
    rng = np.random.default_rng(seed)
    # Continuous parts with heavy atoms between and beside them.
    raw = np.concatenate([rng.standard_cauchy(3000), np.full(2000, 0.5), np.full(700, -9.0), rng.uniform(0, 1, 1000)])
    fitted = fit(Quantile(kind="quantile"), raw, name="r")
    assert 100 < len(fitted.values) <= MAX_KNOTS
    order = np.sort(raw)
    exact = 0.5 * (np.searchsorted(order, raw, "left") + np.searchsorted(order, raw, "right")) / raw.size
    assert np.abs(normalise(fitted, raw) - exact).max() <= 2 / (MAX_KNOTS - 1)


def test_sigmoid_takes_the_moments_of_a_logistic_distribution():
    raw = np.random.default_rng(0).logistic(3.0, 2.0, size=200_000)
    fitted = fit(Sigmoid(kind="sigmoid"), raw, name="r")
    assert (fitted.center, fitted.scale) == pytest.approx((3.0, 2.0), rel=0.02)
    assert fitted.center == raw.mean() and fitted.scale == pytest.approx(raw.std() * math.sqrt(3) / math.pi)
    # So its values are spread evenly, as a distribution function's are.
    assert np.quantile(normalise(fitted, raw), [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.01)


def test_numbers_that_are_given_stay():
    raw = np.array([1.0, 2.0, 6.0])
    assert fit(Sigmoid(kind="sigmoid", center=9.0), raw, name="r").center == 9.0
    assert fit(Sigmoid(kind="sigmoid", scale=9.0), raw, name="r").scale == 9.0
    clipped = MinMax(kind="minmax", low=0.0, outside="clip")
    assert fit(clipped, raw, name="r") == clipped.model_copy(update={"high": 6.0})
    given = MinMax(kind="minmax", low=0, high=1), Quantile(kind="quantile", values=(0, 1), levels=(0, 1))
    for rule in (Identity(), *given):
        assert fit(rule, np.zeros(3), name="r") is rule


def test_closed_forms():
    assert normalise(Sigmoid(kind="sigmoid", center=1, scale=0.5), np.array([2.0, 1.0, -1e300])) == pytest.approx(
        [1 / (1 + math.exp(-2)), 0.5, 0.0]
    )
    wide = MinMax(kind="minmax", low=0, high=4)
    assert normalise(wide, np.array([0.0, 1.0, 4.0])).tolist() == [0.0, 0.25, 1.0]
    assert normalise(wide, np.array([5.0]))[0] == 1.25
    clipped = MinMax(kind="minmax", low=0, high=4, outside="clip")
    assert normalise(clipped, np.array([-1.0, 5.0])).tolist() == [0.0, 1.0]
    stairs = Quantile(kind="quantile", values=(0, 1, 3), levels=(0.1, 0.5, 0.9))
    assert normalise(stairs, np.array([-0.1, 0, 0.5, 2, 3, 3.1])) == pytest.approx([0, 0.1, 0.3, 0.7, 0.9, 1])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
def test_a_constant_cannot_be_calibrated_on(rule):
    with pytest.raises(RewardError, match=rf"'r' gave 0\.3 for all 4 responses.*{rule.kind}.*constant"):
        fit(rule, np.full(4, 0.3), name="r")


@pytest.mark.parametrize(
    ("rule", "raw", "words"),
    [
        (MinMax(kind="minmax", low=5.0, outside="clip"), [1.0, 2.0], "low=5.0, high=2.0"),
        (Sigmoid(kind="sigmoid"), [-1e308, 1e308], "finite"),
    ],
)
def test_what_cannot_be_calibrated_is_an_error(rule, raw, words):
    with pytest.raises(RewardError, match=words):
        fit(rule, np.array(raw), name="r")
