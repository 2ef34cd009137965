"""Several processes register the same at once: one version, one run of the build, one run a policy."""

from pathlib import Path

import mlflow
from support.concurrent_register import check_one_of_each, register_at_once
from support.small_portfolio import write_small_portfolio

from palm.registry.runs import builds_of

TESTS = Path(__file__).parents[1]


def test_four_at_once_make_one(workspace, config):
    portfolio = write_small_portfolio(workspace / "portfolio")
    builds = [f"build-{number}" for number in range(4)]
    answers = register_at_once(workspace / "portfolio.yaml", portfolio, *builds)
    client = mlflow.MlflowClient(config.registry.tracking_uri, config.registry.tracking_uri)
    assert len(answers) == 4
    check_one_of_each(client, config.registry, answers)
    (version,) = client.search_model_versions(f"name = '{config.registry.model}'")
    assert builds_of(version.tags) == builds
