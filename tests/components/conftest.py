"""Inputs of components: a configuration with a store of its own, and entries of the library's store in it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def in_workers(workers):
    """Steps of all components run in the pool."""


@pytest.fixture
def config(build, tmp_path) -> str:
    """The build's configuration with an empty store: nothing that the library made is there to be reused."""
    storage = build.config.storage.model_copy(update={"root": str(tmp_path / "store")})
    return build.config.model_copy(update={"storage": storage}).to_json()


@pytest.fixture
def keep(build, tmp_path) -> Callable[..., None]:
    """A function that puts entries of the library's store into that of the configuration."""

    def put(*names: str) -> None:
        for name in names:
            shutil.copytree(Path(build.config.storage.root) / name, tmp_path / "store" / name)

    return put
