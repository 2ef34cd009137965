"""Registration by several processes at once, and the builds that the registry names."""

import pytest
from support.concurrent_register import check_one_of_each, register_at_once
from support.small_portfolio import write_small_portfolio

from palm.errors import RegistryError
from palm.registry.client import all_versions
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


def test_the_builds_of_all_versions_are_registered(config, client):
    registry = PortfolioRegistry(config)
    assert registry.builds() == {}
    for model in ("small", "other"):
        client.create_registered_model(model)
    versions = [("small", ["build-1"]), ("small", ["build-a", "build-b"]), ("small", []), ("other", ["of-another"])]
    for model, builds in versions:
        client.create_model_version(model, "file:///nowhere", tags={build_tag(build): "true" for build in builds})
    assert registry.builds() == {"build-1": "1", "build-a": "2", "build-b": "2"}


class ChangedMeanwhile:
    """A client during whose listings something happens after a page."""

    def __init__(self, client, page: int, change):
        self._client, self._page, self._change, self._pages = client, page, change, 0

    def search_model_versions(self, *arguments, **options):
        if self._pages == self._page:
            self._change(self._client)
        self._pages += 1
        return self._client.search_model_versions(*arguments, **options)


@pytest.mark.parametrize("page", [1, 2, 3])
@pytest.mark.parametrize(
    ("change", "gone"),
    [
        (lambda client: client.delete_model_version("small", "1"), 1),
        (lambda client: client.delete_model_version("small", "7"), 7),
        (lambda client: client.update_model_version("small", "1", "edited in the UI"), None),
        (lambda client: client.set_model_version_tag("small", "4", "key", "value"), None),
        (lambda client: client.create_model_version("small", "file:///nowhere"), None),
    ],
)
def test_no_version_is_missed_when_others_change_meanwhile(client, page, change, gone):
    client.create_registered_model("small")
    for _ in range(7):
        client.create_model_version("small", "file:///nowhere")
    found = [
        int(version.version) for version in all_versions(ChangedMeanwhile(client, page, change), "small", page_size=2)
    ]
    assert {*range(1, 8)} - {*found} <= {gone} and found == sorted(set(found))


def test_a_file_that_is_not_there_is_not_made(config, tmp_path):
    section = config.registry.model_copy(update={"tracking_uri": f"sqlite:///{tmp_path / 'none.db'}"})
    with pytest.raises(RegistryError, match="does not exist"):
        PortfolioRegistry(config.model_copy(update={"registry": section})).builds()
    assert not (tmp_path / "none.db").exists()
