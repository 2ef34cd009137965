"""Certificates against closed forms, corner enumeration and sampling."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from palm.errors import DataError, SelectionError
from palm.geometry.portfolio.certificate import VALUE_TOLERANCE, certify, regrets


def test_closed_form_with_two_objectives():
    """Against (1, 0.2) and (0.2, 1), the policy (0.7, 0.7) alone is worst at a corner, by 0.3."""
    certificate = certify([[1, 0.2], [0.2, 1], [0.7, 0.7]], [2])
    assert certificate.epsilon == pytest.approx(0.3, abs=1e-8)
    assert certificate.epsilon >= 0.3
    assert certificate.additive_gap == pytest.approx(0.3, abs=1e-8)
    assert certificate.additive_gap >= 0.3
    assert sorted(certificate.worst_weights.tolist()) == pytest.approx([0, 1])


def test_worst_case_in_the_interior():
    """The corners (1, 0.2), (0.2, 1) serve the middle with 0.6 where the other policy has 0.8."""
    certificate = certify([[1, 0.2], [0.2, 1], [0.8, 0.8]], [0, 1])
    assert certificate.epsilon == pytest.approx(0.25, abs=1e-8)
    np.testing.assert_allclose(certificate.worst_weights, [0.5, 0.5], atol=1e-7)
    np.testing.assert_allclose(certificate.combinations[2], [0.5, 0.5], atol=1e-7)


def test_delta_is_granted():
    values = [[1, 0.2], [0.2, 1], [0.8, 0.8]]
    assert certify(values, [0, 1], delta=0.1).epsilon == pytest.approx(0.125, abs=1e-8)
    full = certify(values, [0, 1], delta=0.2)
    assert full.epsilon == 0
    assert full.additive_gap == pytest.approx(0.2, abs=1e-8)
    np.testing.assert_allclose(full.worst_weights, [0.5, 0.5], atol=1e-7)


@pytest.mark.parametrize(
    ("values", "portfolio"),
    [
        (np.random.default_rng(0).uniform(0.1, 1, (10, 3)), range(10)),
        ([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.4, 0.4]], [0, 1]),
    ],
    ids=["everything", "all but duplicates and dominated policies"],
)
def test_no_gap(values, portfolio):
    certificate = certify(values, portfolio)
    assert certificate.epsilon == certificate.additive_gap == 0
    assert certificate.worst_weights.sum() == pytest.approx(1)


@settings(max_examples=150)
@given(st.integers(2, 5), st.integers(2, 12), st.integers(0, 10**6), st.sampled_from([0.0, 0.0, 0.05]))
def test_certificate_is_tight_and_holds(objectives, policies, seed, delta):
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.05, 1, (policies, objectives))
    portfolio = rng.choice(policies, rng.integers(1, policies + 1), replace=False)
    certificate = certify(values, portfolio, delta=delta)
    members = list(certificate.portfolio)
    assert sorted(portfolio.tolist()) == members
    # The proof can be checked without a solver.
    assert certificate.shortfall(values) <= VALUE_TOLERANCE
    np.testing.assert_allclose(certificate.combinations.sum(axis=1), 1, atol=1e-9)
    assert (certificate.combinations >= 0).all()
    # Nothing sampled is worse.
    v = np.vstack([rng.dirichlet(np.ones(objectives), 300), np.eye(objectives)])
    sampled = regrets(values, v, delta=delta)[:, members].min(axis=1)
    assert sampled.max() <= certificate.epsilon + 1e-12
    worth = v @ values.T
    assert (worth.max(axis=1) - worth[:, members].max(axis=1)).max() <= certificate.additive_gap + 1e-12
    # It is attained.
    worst = certificate.worst_weights
    assert worst.sum() == pytest.approx(1)
    assert (worst >= 0).all()
    assert regrets(values, worst[None], delta=delta)[0, members].min() == pytest.approx(certificate.epsilon, abs=1e-6)
    at = certificate.additive_worst_weights
    assert (values @ at).max() - (values[members] @ at).max() == pytest.approx(certificate.additive_gap, abs=1e-6)


def corner_gap(values, portfolio):
    """The gap without a solver: it is largest at a vertex of the portfolio's upper envelope."""
    members, d = values[list(portfolio)], values.shape[1]
    # Rows (g, -c) of g · v - c t ≤ 0: members a_s · v ≤ t and bounds -v_i ≤ 0.
    rows = np.vstack([np.column_stack([members, -np.ones(len(members))]), np.eye(d + 1)[:d] * -1])
    total = np.append(np.ones(d), 0.0)
    worst = 0.0
    for chosen in combinations(range(len(rows)), d):
        system = np.vstack([rows[list(chosen)], total])
        if abs(np.linalg.det(system)) < 1e-12:
            continue
        corner = np.linalg.solve(system, np.append(np.zeros(d), 1.0))
        if (rows @ corner).max() <= 1e-9:
            best = (values @ corner[:d]).max()
            worst = max(worst, (best - corner[d]) / best)
    return worst


@settings(max_examples=60)
@given(st.integers(2, 4), st.integers(2, 7), st.integers(1, 3), st.integers(0, 10**6))
def test_certificate_equals_corner_enumeration(objectives, policies, size, seed):
    assume(size < policies)
    values = np.random.default_rng(seed).uniform(0.05, 1, (policies, objectives))
    certificate = certify(values, range(size))
    assert certificate.epsilon == pytest.approx(corner_gap(values, range(size)), abs=1e-7)


def test_negative_value_needs_a_delta():
    values = [[0.5, 0.5], [-0.2, 0.9]]
    with pytest.raises(SelectionError, match=r"preference \[1.0, 0.0\].*is -0.2.*allow a delta of at least 0.2"):
        certify(values, [1])
    assert certify(values, [1], delta=0.2).epsilon == pytest.approx(1, abs=1e-8)


@settings(max_examples=80)
@given(st.integers(2, 4), st.integers(2, 8), st.integers(0, 10**6))
def test_proof_holds_with_negative_coordinates(objectives, policies, seed):
    """A larger common epsilon asks more where a value is negative; the combinations must follow."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(-0.15, 1, (policies, objectives))
    portfolio = rng.choice(policies, rng.integers(1, policies + 1), replace=False)
    try:
        certificate = certify(values, portfolio)
    except SelectionError:
        v = rng.dirichlet(np.full(objectives, 0.2), 5000)
        assert (np.vstack([v, np.eye(objectives)]) @ values[portfolio].T).max(axis=1).min() < 0.05
        return
    assert certificate.shortfall(values) <= VALUE_TOLERANCE
    v = rng.dirichlet(np.ones(objectives), 300)
    assert regrets(values, v, delta=0.0)[:, portfolio].min(axis=1).max() <= certificate.epsilon + 1e-12


def test_zero_values_do_not_disturb():
    certificate = certify([[0.0, 0.8], [0.0, 0.4]], [1])
    assert certificate.epsilon == pytest.approx(0.5, abs=1e-8)


@pytest.mark.parametrize(
    ("values", "portfolio", "delta", "error", "message"),
    [
        ([[0.5, 0.5]], [], 0, SelectionError, r"portfolio=\[\]"),
        ([[0.5, 0.5]], [1], 0, SelectionError, r"portfolio=\[1\]: must be different indices from 0 to 0"),
        ([[0.5, 0.5]], [0, 0], 0, SelectionError, r"portfolio=\[0, 0\]"),
        ([[0.5, 0.5]], [-1], 0, SelectionError, r"portfolio=\[-1\]"),
        ([[0.5, 0.5]], [0], -0.1, SelectionError, "delta=-0.1: must be at least 0"),
        ([[0.5, np.nan]], [0], 0, DataError, "value vector of policy 0: must be finite"),
        ([0.5, 0.5], [0], 0, DataError, r"value vectors of shape \(2,\)"),
        ([[0.5]], [0], 0, DataError, r"shape \(1, 1\)"),
    ],
)
def test_bad_arguments(values, portfolio, delta, error, message):
    with pytest.raises(error, match=message):
        certify(values, portfolio, delta=delta)


@pytest.mark.parametrize(
    "values", [[[1e-11, 0], [0, 1e-11]], [[1e-8, 0], [0, 1e-8]], [[0.99e-5, 0.5], [0.99e-5 + 9.9e-9, 0.5]]]
)
def test_a_ratio_is_never_understated_by_rounding(values):
    """One member; another policy is better at a corner, by little but by much of what there is."""
    values = np.array(values)
    needed = regrets(values, np.eye(2), delta=0)[:, 0].max()
    try:
        assert certify(values, [0]).epsilon >= needed - 1e-6
    except SelectionError as error:
        assert "allow a" in str(error)  # a delta
    assert certify(values, [0], delta=1e-4).epsilon == 0


def test_a_ratio_that_rounding_decides_is_refused():
    with pytest.raises(SelectionError, match=r"1.0 is needed at the weights .*; allow a delta: values near 0"):
        certify(np.array([[1e-11, 0], [0, 1e-11]]), [0])
