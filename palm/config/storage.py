"""The section of the configuration about the storage, with settings of S3."""

from typing import Literal

from pydantic import Field, model_validator

from palm.config.base import Section
from palm.storage.s3_settings import SETTINGS


class Storage(Section):
    """The store of trained policies, named by content, so that nothing is trained twice."""

    ADDED = frozenset(SETTINGS)

    root: str = Field(min_length=1, description="A folder or an s3:// prefix.")
    endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^@?#\s]+$",
        description="Address of the S3 server, for all that palm reads and writes in S3; unset: AWS_ENDPOINT_URL, or "
        "AWS. It reaches all pods, as the keys that follow do.",
    )
    region: str | None = Field(None, min_length=1, description="Region of the S3 server; unset: AWS_DEFAULT_REGION.")
    addressing_style: Literal["path", "virtual", "auto"] | None = Field(
        None, description="Where requests to S3 name the bucket: in the path or in the host; unset: auto."
    )
    checksums: Literal["when_supported", "when_required"] | None = Field(
        None,
        description="when_required: no checksums of S3's newer clients, for stores that refuse them; files keep their "
        "sha256. Unset: when_supported.",
    )
    server_side_encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = Field(
        None, description="Encryption that every written object asks for; unset: the bucket's own."
    )
    kms_key: str | None = Field(
        None, min_length=1, description="Id of the key, only with server_side_encryption aws:kms or aws:kms:dsse."
    )

    @model_validator(mode="after")
    def _key_is_used(self):
        if self.kms_key is not None and not (self.server_side_encryption or "").startswith("aws:kms"):
            raise ValueError(f"kms_key={self.kms_key}: needs server_side_encryption: aws:kms or aws:kms:dsse")
        return self

    @property
    def s3_settings(self) -> dict[str, str | None]:
        """Settings of S3 for `palm.storage.s3_settings`."""
        return {name: getattr(self, name) for name in SETTINGS}
