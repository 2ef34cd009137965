"""registration.json: a portfolio as it is registered in MLflow."""

from typing import ClassVar

from pydantic import Field

from palm.artifacts.base import Artifact


class Registration(Artifact):
    """A registered portfolio."""

    FILE: ClassVar[str] = "registration.json"

    model: str = Field(description="Registered model.")
    version: str = Field(description="Version of the model.")
    run_id: str = Field(description="MLflow run of the build, which the report ends.")
    manifest: str = Field("", description="Digest of the version's manifest; empty in files of an older palm.")
    aliases: tuple[str, ...] = Field(description="Aliases of the version.")
