"""Certificates to check, to break and to save."""

import numpy as np
import pytest
from support.measurements import value_table
from testbed import draw_problem

from palm.geometry.portfolio.selection import describe_selection, select
from palm.geometry.preferences.coverage import check_coverage
from palm.geometry.preferences.design import Design
from palm.geometry.preferences.packing import Packing
from palm.storage.files import json_text


@pytest.fixture(scope="session")
def cover_certificate():
    """A function that makes the certificate of preference vectors, as `palm design --json` prints it."""

    def make(weights, *, epsilon, delta, packing=None):
        weights = np.asarray(weights, dtype=np.float64)
        points = np.reshape(packing or [], (-1, weights.shape[1]))
        coverage = check_coverage(weights, epsilon=epsilon, delta=delta)
        proof = Packing(points, np.ones(len(points)))
        made = Design("given", weights.shape[1], epsilon, delta, weights, coverage, proof).to_dict()
        del made["packing_weights"]
        return {**made, "packing": packing, "lower_bound": packing and len(packing)}

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
