"""Artifacts: frozen, versioned models of the JSON files that flow between the steps of a build."""

import json
import re
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from palm.errors import DataError
from palm.storage.files import read_json, write_json

Vector = tuple[float, ...]


class Part(BaseModel):
    """A part of an artifact: frozen, unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Artifact(Part):
    """A JSON file that one step writes and others read.

    Attributes:
        FILE: name of the file in the folder of the step that writes it.
        VERSION: version of its schema, raised when a reader of the old one would misread the new one.
    """

    FILE: ClassVar[str]
    VERSION: ClassVar[int] = 1

    schema_version: int = 0

    @model_validator(mode="before")
    @classmethod
    def _versioned(cls, content: Any) -> Any:
        return {"schema_version": cls.VERSION, **content} if isinstance(content, dict) else content

    @field_validator("schema_version")
    @classmethod
    def _is_known(cls, version: int) -> int:
        if version != cls.VERSION:
            raise ValueError(f"must be {cls.VERSION}")
        return version

    @classmethod
    def label(cls) -> str:
        """Name in `palm schema --artifact`: that of the class in snake case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """JSON schema of the file."""
        schema = cls.model_json_schema()
        schema["properties"]["schema_version"] = {"const": cls.VERSION, "description": "Version of this schema."}
        schema["required"] = ["schema_version", *schema.get("required", [])]
        return schema

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read it from a folder that holds FILE, or from the file itself.

        Raises:
            DataError: the file is missing, is not JSON, has an unknown version, or breaks the schema.
        """
        file = path / cls.FILE if path.is_dir() else path
        return cls.parse(read_json(file), str(file))

    @classmethod
    def parse(cls, content: Any, what: str) -> Self:
        """Check decoded JSON; ``what`` names its source in errors, which are those of `read`."""
        # Palm 0.1.0 wrote files of version 1 without the key. Registered builds and the storage still hold such files.
        found = content.get("schema_version", 1) if isinstance(content, dict) else None
        if found != cls.VERSION:
            raise DataError(
                f"{what}: schema_version {json.dumps(found)}",
                rule=f"must be {cls.VERSION}, the version of {cls.label()} that this palm reads",
                remedy=f"write it with the same version of palm; `palm schema --artifact {cls.label()}` documents it",
            )
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "content"
            raise DataError(
                f"{what}: {place}",
                rule=f"breaks the schema of {cls.label()}: {first['msg']}",
                remedy=f"give the file that the earlier step wrote; see `palm schema --artifact {cls.label()}`",
            ) from error

    def write(self, path: Path) -> None:
        """Write it, whole or not at all, to a file or into an existing folder."""
        write_json(path / self.FILE if path.is_dir() else path, self.model_dump(mode="json"))
