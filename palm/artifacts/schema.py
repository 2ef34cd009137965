"""JSON schemas of the artifacts, by name."""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import palm.artifacts
from palm.artifacts.base import Artifact
from palm.errors import DataError


def artifact_types() -> dict[str, type[Artifact]]:
    """Name to model of every artifact."""
    for module in iter_modules(palm.artifacts.__path__):
        import_module(f"palm.artifacts.{module.name}")
    # Processes that train together pass files of the same kind, which are no artifacts of a build.
    models = [model for model in Artifact.__subclasses__() if model.__module__.startswith(palm.artifacts.__name__)]
    return dict(sorted((model.label(), model) for model in models))


def artifact_schema(name: str) -> dict[str, Any]:
    """JSON schema of an artifact."""
    types = artifact_types()
    if name not in types:
        raise DataError(f"artifact={name!r}", rule="is unknown", remedy=f"give one of {', '.join(types)}")
    return types[name].json_schema()
