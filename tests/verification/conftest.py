"""Certificates to check, to break and to save."""

import numpy as np
import pytest
from support.measurements import value_table
from testbed import draw_problem

from palm.geometry.portfolio.selection import describe_selection, select
from palm.geometry.preferences.coverage import check_coverage
from palm.storage.files import json_text


@pytest.fixture(scope="session")
def cover_certificate():
    """A function that makes the certificate of preference vectors, as `palm design --json` prints it."""

    def make(weights, *, epsilon, delta, packing=None):
        weights = np.asarray(weights, dtype=np.float64)
        coverage = check_coverage(weights, epsilon=epsilon, delta=delta)
        seen = coverage.counterexample
        return {
            "certificate": "cover",
            "strategy": "given",
            "objectives": weights.shape[1],
            "epsilon": epsilon,
            "delta": delta,
            "size": len(weights),
            "weights": weights.tolist(),
            "coverage": {
                "method": "exact",
                "covered": coverage.covered,
                "uncovered_fraction": coverage.uncovered_fraction,
                "counterexample": None if seen is None else list(seen),
            },
            "lower_bound": None if packing is None else len(packing),
            "packing": packing,
        }

    return make


@pytest.fixture(scope="session")
def portfolio_certificate():
    """A function that selects from a problem of the testbed, as `palm select --json` prints it."""

    def make(seed, objectives, *, policies=12, size=3, **options):
        weights = np.random.default_rng(seed).dirichlet(np.ones(objectives), policies)
        problem = draw_problem(seed, objectives, prompts=4, responses=12)
        table = value_table(problem.expected_rewards(weights), problem.regulariser(weights))
        return describe_selection(table, select(table.value_vectors, size, **options), size)

    return make


@pytest.fixture
def save(tmp_path):
    """A function that writes a certificate and gives its path."""

    def write(certificate):
        path = tmp_path / "certificate.json"
        path.write_text(json_text(certificate) + "\n")
        return path

    return write
