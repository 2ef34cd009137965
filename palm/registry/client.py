"""Client of MLflow: `mlflow.MlflowClient`, whose errors are those of PALM."""

from collections.abc import Callable, Iterator
from typing import Any

from palm.config.portfolio import Registry
from palm.errors import RegistryError
from palm.registry.connection import connected


class Client:
    """MLflow's client of one registry: every method of `mlflow.MlflowClient`.

    A call uses PALM's credentials while it lasts and fails with `RegistryError`.
    """

    def __init__(self, registry: Registry):
        self.registry = registry

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """A method of `mlflow.MlflowClient` that connects when it is called."""
        if name.startswith("_"):
            raise AttributeError(name)

        def call(*arguments, **options):
            with connected(self.registry) as client:
                return getattr(client, name)(*arguments, **options)

        return call


def error_code(error: RegistryError) -> str:
    """MLflow's code of a failure, e.g. ``RESOURCE_DOES_NOT_EXIST``; empty if the failure is not MLflow's."""
    return getattr(error.__cause__, "error_code", "")


def all_versions(client: Any, model: str, *, page_size: int = 200) -> Iterator:
    """MLflow's records of all versions of a model, by number; `client` as `mlflow.MlflowClient`.

    MLflow counts its pages by offset: a version that is deleted or edited between two requests moves another one
    across their border, and it would be in neither. So each request asks for the numbers after the last one.
    """
    last = 0
    while True:
        query = f"name = '{model}' and version_number > {last}"
        page = client.search_model_versions(query, max_results=page_size, order_by=["version_number ASC"])
        yield from page
        if not page:
            return
        last = int(page[-1].version)


def all_pages(search: Callable, *arguments, **options) -> Iterator:
    """Results of a method of the client whose results come in pages."""
    token = None
    while True:
        page = search(*arguments, page_token=token, **options)
        yield from page
        token = page.token
        if not token:
            return
