"""Which builds the registry names, however many versions there are."""

import mlflow
import pytest

from palm.errors import RegistryError
from palm.registry.portfolio_registry import PortfolioRegistry
from palm.registry.runs import build_tag


def test_all_versions_are_read_page_by_page(config):
    registry = PortfolioRegistry(config)
    assert registry.builds() == {}
    uri = config.registry.tracking_uri
    client = mlflow.MlflowClient(uri, uri)
    for model in ("small", "other"):
        client.create_registered_model(model)
    count = 5
    for number in range(1, count + 1):
        client.create_model_version("small", "file:///nowhere", tags={build_tag(f"build-{number}"): "true"})
    client.create_model_version(
        "small", "file:///nowhere", tags={build_tag("build-a"): "true", build_tag("build-b"): "true"}
    )
    client.create_model_version("small", "file:///nowhere")
    client.create_model_version("other", "file:///nowhere", tags={build_tag("of-another"): "true"})
    found = registry.builds(page_size=2)
    assert found == {
        **{f"build-{number}": str(number) for number in range(1, count + 1)},
        "build-a": str(count + 1),
        "build-b": str(count + 1),
    }


def test_a_file_that_is_not_there_is_not_made(config, tmp_path):
    section = config.registry.model_copy(update={"tracking_uri": f"sqlite:///{tmp_path / 'none.db'}"})
    with pytest.raises(RegistryError, match="does not exist"):
        PortfolioRegistry(config.model_copy(update={"registry": section})).builds()
    assert not (tmp_path / "none.db").exists()
