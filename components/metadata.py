"""The file `metadata.yaml` of a component or pipeline, for readers and catalogues."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from palm.config.base import Section
from palm.errors import DataError

FILE = "metadata.yaml"

_RELEASE = r"^(==|>=|~=)\d+\.\d+\.\d+$"


class Dependency(Section):
    """A required part of Kubeflow."""

    name: Literal["Pipelines"] = Field(description="Which part.")
    version: str = Field(pattern=_RELEASE, description="Versions of its SDK, e.g. >=2.17.0.")


class Service(Section):
    """A service outside of Kubeflow that is called."""

    name: Literal["MLflow", "S3"] = Field(description="Which service.")
    version: str | None = Field(None, pattern=_RELEASE, description="Its versions; unset: all that speak the protocol.")
    condition: str | None = Field(None, min_length=1, description="When it is called; unset: always.")


class Dependencies(Section):
    """Requirements at run time."""

    kubeflow: tuple[Dependency, ...] = Field(min_length=1, description="Parts of Kubeflow.")
    external_services: tuple[Service, ...] = Field((), description="Services outside of Kubeflow.")


class Metadata(Section):
    """Facts about a component or pipeline that its code does not state."""

    name: str = Field(description="Its name: that of the folder and of the function.")
    stability: Literal["alpha", "beta", "stable"] = Field(description="alpha: its interface may change in any release.")
    dependencies: Dependencies = Field(description="Requirements at run time.")
    resources: Literal["cpu", "gpu"] = Field(description="gpu: computes on a GPU where its pod has one.")
    tags: tuple[str, ...] = Field(min_length=1, description="Words to find it by.")


def read_metadata(folder: Path) -> Metadata:
    """Read and check the metadata of a component or pipeline."""
    path = folder / FILE
    try:
        metadata = Metadata.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise DataError(str(path), rule=f"cannot be read ({error})", remedy="give the folder such a file") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path}: {place}", rule=first["msg"], remedy="see components/metadata.py") from error
    if metadata.name != folder.name:
        raise DataError(f"{path}: name={metadata.name}", rule=f"must be {folder.name}", remedy="name it so")
    return metadata
