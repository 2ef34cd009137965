"""Selections of the testbed are verified; what is changed in them is refused, where it was changed."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.measurements import value_table

from palm.errors import SelectionError
from palm.geometry.portfolio.certificate import certify
from palm.geometry.portfolio.selection import Selection, describe_selection
from palm.verification.fault import Fault
from palm.verification.portfolio import verify_portfolio
from palm.verification.schema import PortfolioFile


def verify(certificate):
    return verify_portfolio(PortfolioFile.model_validate(certificate))


@pytest.mark.parametrize("objectives", [2, 3, 4])
@pytest.mark.parametrize(
    "options", [{}, {"delta": 0.01}, {"method": "greedy"}, {"epsilon": 0.02}, {"epsilon": 0.0}, {"size": 12}]
)
def test_selections_are_verified(portfolio_certificate, objectives, options):
    certificate = portfolio_certificate(objectives, objectives, **options)
    verified = verify(certificate)
    assert f"ε={certificate['epsilon']:.9g}, δ={certificate['delta']:.9g}" in verified.proved[0]
    expected = [key for key in ("epsilon_bound", "delta_bound") if certificate[key] > 0]
    assert [line.split("=")[0] for line in verified.not_proved if "bound" in line] == expected
    assert f"J ≥ J* - {certificate['additive_gap']:.9g}" in verified.proved[-1]


@settings(max_examples=100)
@given(st.integers(2, 4), st.integers(2, 9), st.integers(0, 10**6), st.sampled_from([0.0, 0.03]))
def test_every_certificate_is_verified(objectives, policies, seed, delta):
    """Also with negative values, duplicates and members in any number."""
    rng = np.random.default_rng(seed)
    rewards = rng.uniform(0, 1, (policies, objectives)).round(int(rng.integers(1, 12)))
    table = value_table(rewards, rng.uniform(0, 0.1, policies))
    members = rng.choice(policies, rng.integers(1, policies + 1), replace=False)
    try:
        certificate = certify(table.value_vectors, members, delta=delta)
    except SelectionError:
        return
    verify(describe_selection(table, Selection("exact", "epsilon", certificate.portfolio, certificate, bound=0.0)))


def refusal(certificate, *place, value):
    """Refuse a certificate with one value exchanged: the fault and the exchanged file."""
    broken = copy.deepcopy(certificate)
    part = broken
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value(part[place[-1]]) if callable(value) else value
    with pytest.raises(Fault) as caught:
        verify(broken)
    return caught.value


@pytest.fixture(scope="module")
def certificate(portfolio_certificate):
    made = portfolio_certificate(1, 3)
    assert made["epsilon"] > 0.01
    return made


def test_a_combination_must_be_one(certificate):
    row = next(k for k, name in enumerate(certificate["proof"]["policies"]) if name not in certificate["portfolio"])
    for key in ("combinations", "additive_combinations"):
        place = ("proof", key, row)
        heavier = refusal(certificate, *place, value=lambda shares: [shares[0] + 0.01, *shares[1:]])
        assert heavier.place == place and "must sum to 1, sums to 1.01" in heavier.rule
        negative = refusal(certificate, *place, value=[1.5, -0.5, 0.0])
        assert negative.place == place and "must not be negative" in negative.rule
        short = refusal(certificate, *place, value=[0.5, 0.5])
        assert short.place == place and "must have 3 numbers, has 2" in short.rule
        lost = refusal(certificate, "proof", key, value=lambda rows: rows[1:])
        assert lost.place == ("proof", key) and "must be 12 rows" in lost.rule


def test_a_combination_that_misses_is_named(certificate):
    """A member's own row must be that member alone, or something as good: no other member is."""
    row = certificate["proof"]["policies"].index(certificate["portfolio"][0])
    fault = refusal(certificate, "proof", "combinations", row, value=[0.0, 1.0, 0.0])
    assert fault.place == ("proof", "combinations", row)
    assert repr(certificate["portfolio"][0]) in fault.rule and "reaches" in fault.rule


def test_claiming_too_little_gap_is_refused(certificate):
    proof, values = certificate["proof"], np.array(certificate["proof"]["values"])
    members = [proof["policies"].index(policy) for policy in certificate["portfolio"]]
    for factor in (0.5, 0.999):
        fault = refusal(certificate, "epsilon", value=lambda epsilon, factor=factor: epsilon * factor)
        # The bound contradicts it as well, but the first combination that misses is named.
        missing = (1 - factor * certificate["epsilon"]) * values - np.array(proof["combinations"]) @ values[members]
        first = int(np.flatnonzero(missing.max(axis=1) > 1e-7)[0])
        assert fault.place == ("proof", "combinations", first) and "must reach" in fault.rule
    fault = refusal(certificate, "additive_gap", value=lambda gap: gap * 0.999)
    assert fault.place[:2] == ("proof", "additive_combinations")


def test_claiming_too_much_gap_is_refused(certificate):
    fault = refusal(certificate, "epsilon", value=lambda epsilon: epsilon + 1e-4)
    assert (fault.place, fault.others) == (("epsilon",), (("worst_weights",),))
    assert "only" in fault.rule and "is needed" in fault.rule
    fault = refusal(certificate, "additive_gap", value=lambda gap: gap + 1e-4)
    assert (fault.place, fault.others) == (("additive_gap",), (("additive_worst_weights",),))
    fault = refusal(certificate, "worst_weights", value=[1.0, 0.0, 0.0])
    assert (fault.place, fault.others) == (("epsilon",), (("worst_weights",),))


def test_delta_may_be_what_was_minimised(portfolio_certificate):
    certificate = portfolio_certificate(1, 3, epsilon=0.02)
    assert certificate["minimised"] == "delta" and certificate["delta"] > 0.001
    assert refusal(certificate, "delta", value=lambda delta: delta + 1e-4).place == ("delta",)
    assert refusal(certificate, "delta", value=lambda delta: delta - 1e-4).place[:2] == ("proof", "combinations")


def test_a_bound_above_what_was_found_is_refused(certificate):
    fault = refusal(certificate, "epsilon_bound", value=certificate["epsilon"] + 0.01)
    assert fault.place == ("epsilon_bound",)


def test_a_changed_value_is_refused(certificate):
    """A policy that is better than measured asks more of the portfolio."""
    row = next(k for k, name in enumerate(certificate["proof"]["policies"]) if name not in certificate["portfolio"])
    fault = refusal(certificate, "proof", "values", row, value=lambda vector: [number + 0.2 for number in vector])
    assert fault.place == ("proof", "combinations", row)
    assert refusal(certificate, "proof", "values", row, value=[0.5]).place == ("proof", "values", row)


def test_names_must_fit(certificate):
    assert refusal(certificate, "portfolio", 1, value="p99").place == ("portfolio", 1)
    assert refusal(certificate, "portfolio", 1, value=certificate["portfolio"][0]).place == ("portfolio", 1)
    assert refusal(certificate, "proof", "policies", 3, value="p0").place == ("proof", "policies", 3)
    assert refusal(certificate, "size", value=2).place == ("size",)
    assert refusal(certificate, "worst_weights", value=[0.5, 0.5]).place == ("worst_weights",)


def test_members_exchanged_are_refused(certificate):
    fault = refusal(certificate, "portfolio", value=lambda names: names[::-1])
    assert fault.place[:2] == ("proof", "combinations")


def test_an_additive_gap_without_combinations_is_not_proved(certificate):
    without = copy.deepcopy(certificate)
    without["proof"]["additive_combinations"] = None
    assert any("the additive gap" in line for line in verify(without).not_proved)


@pytest.mark.parametrize("values", [[[1e-8, 0], [0, 1e-8]], [[0.99e-5, 0.5], [0.99e-5 + 9.9e-9, 0.5]]])
def test_a_gap_hidden_in_rounding_is_found_at_a_corner(values):
    """The combination misses by less than what solvers are allowed, and by much of what there is."""
    broken = {
        "certificate": "portfolio", "size": 1, "portfolio": ["a"], "epsilon": 0.0, "delta": 0.0,
        "worst_weights": [0.5, 0.5],
        "proof": {"policies": ["a", "b"], "values": values, "combinations": [[1.0], [1.0]]},
    }  # fmt: skip
    with pytest.raises(Fault) as caught:
        verify(broken)
    assert caught.value.place == ("epsilon",)
    assert "where only objective" in str(caught.value)
