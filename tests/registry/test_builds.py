"""Which builds the registry names, however many versions there are."""

import shutil

import mlflow
import pytest

from palm.config.portfolio import Registry
from palm.errors import RegistryError
from palm.registry.builds import registered_builds
from palm.registry.runs import build_tag


@pytest.fixture
def registry(tmp_path, empty_registry):
    shutil.copyfile(empty_registry, tmp_path / "mlflow.db")
    return Registry(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}", experiment="small", model="small")


def test_all_versions_are_read_page_by_page(registry):
    assert registered_builds(registry) == {}
    client = mlflow.MlflowClient(registry.tracking_uri, registry.tracking_uri)
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
    found = registered_builds(registry, page_size=2)
    assert found == {
        **{f"build-{number}": str(number) for number in range(1, count + 1)},
        "build-a": str(count + 1),
        "build-b": str(count + 1),
    }


def test_a_file_that_is_not_there_is_not_made(tmp_path):
    registry = Registry(tracking_uri=f"sqlite:///{tmp_path / 'none.db'}", experiment="e", model="m")
    with pytest.raises(RegistryError, match="does not exist"):
        registered_builds(registry)
    assert not list(tmp_path.iterdir())
