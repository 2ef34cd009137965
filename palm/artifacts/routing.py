"""routing.json: the routing table of a portfolio folder, with the digests of its files."""

from typing import ClassVar

from pydantic import Field

from palm.artifacts.base import Artifact, Part, Vector


class RoutedPolicy(Part):
    """A member of the portfolio."""

    policy: str = Field(description="Content name.")
    value_vector: Vector = Field(description="a = R − β KL, length d.")
    folder: str = Field(description="Its folder, relative to the portfolio folder.")


class RecordedBase(Part):
    """The base model of a portfolio."""

    source: str = Field(description="base_model (the folder of that name), a hub id or an s3:// prefix.")
    dtype: str = Field(description="Number format that the portfolio was certified with.")
    sha256: str = Field(description="Digest of files.")
    files: dict[str, str] = Field({}, description="File to sha256; empty in portfolios of the first palm.")


class Routing(Artifact):
    """Routing table: the best member for preference weights w has the largest a·w."""

    FILE: ClassVar[str] = "routing.json"
    EMBEDDED: ClassVar[str] = "base_model"

    reward_names: tuple[str, ...] = Field(description="Objectives, in the order of the weights, length d.")
    policies: tuple[RoutedPolicy, ...] = Field(description="Members of the portfolio.")
    base_model: RecordedBase
    max_new_tokens: int = Field(description="Default limit of a response, in tokens.")
    sha256: dict[str, str] = Field(description="Every other file of the portfolio folder to its sha256.")

    @property
    def model_folders(self) -> tuple[str, ...]:
        """Folders of the policies and of an embedded base model, relative to the portfolio folder."""
        embedded = (self.EMBEDDED,) if self.base_model.source == self.EMBEDDED else ()
        return (*(entry.folder for entry in self.policies), *embedded)
