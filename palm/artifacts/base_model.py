"""palm_base_model.json: the record of a prepared base model."""

from typing import ClassVar

from pydantic import Field

from palm.artifacts.base import Artifact


class BaseModel(Artifact):
    """A prepared base model."""

    FILE: ClassVar[str] = "palm_base_model.json"

    digest: str = Field(description="sha256 of the model's files, 64 hexadecimal digits.")
    source: str = Field(description="Where it is from: a folder, a hub id, an S3 prefix, or tiny.")
