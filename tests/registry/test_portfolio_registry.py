"""Registration by several processes at once, and the builds that the registry names."""

import pytest
from support.concurrent_register import check_one_of_each, register_at_once
from support.small_portfolio import write_small_portfolio

from palm.errors import RegistryError
from palm.registry.portfolio_registry import PortfolioRegistry
from palm.registry.runs import build_tag, builds_of


def test_four_builds_of_the_same_at_once_are_one_version_one_run_and_one_run_a_policy(workspace, config, client):
    portfolio = write_small_portfolio(workspace / "portfolio")
    builds = [f"build-{number}" for number in range(4)]
    answers = register_at_once(workspace / "portfolio.yaml", portfolio, *builds)
    assert len(answers) == 4
    check_one_of_each(client, config.registry, answers)
    (version,) = client.search_model_versions(f"name = '{config.registry.model}'")
    assert builds_of(version.tags) == builds


def test_all_versions_are_read_page_by_page(config, client):
    registry = PortfolioRegistry(config)
    assert registry.builds() == {}
    for model in ("small", "other"):
        client.create_registered_model(model)
    count = 5
    versions = [("small", [f"build-{number}"]) for number in range(1, count + 1)]
    versions += [("small", ["build-a", "build-b"]), ("small", []), ("other", ["of-another"])]
    for model, builds in versions:
        client.create_model_version(model, "file:///nowhere", tags={build_tag(build): "true" for build in builds})
    expected = {f"build-{number}": str(number) for number in range(1, count + 1)}
    assert registry.builds(page_size=2) == expected | dict.fromkeys(("build-a", "build-b"), str(count + 1))


def test_a_file_that_is_not_there_is_not_made(config, tmp_path):
    section = config.registry.model_copy(update={"tracking_uri": f"sqlite:///{tmp_path / 'none.db'}"})
    with pytest.raises(RegistryError, match="does not exist"):
        PortfolioRegistry(config.model_copy(update={"registry": section})).builds()
    assert not (tmp_path / "none.db").exists()
