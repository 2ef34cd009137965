"""Locations: where a file, a folder or a model is, as a user writes it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Location:
    """A path, an ``s3://BUCKET/KEY`` address, another URL, or a model's id on the Hugging Face hub.

    Args:
        text: what the user wrote. A folder starts with ``/`` or ``.``, which a hub id does not.
    """

    text: str

    @property
    def is_s3(self) -> bool:
        """Whether it is an object or a prefix in S3."""
        return self.text.startswith("s3://")

    @property
    def is_url(self) -> bool:
        """Whether it has a scheme; S3 included."""
        return "://" in self.text

    @property
    def is_absolute_path(self) -> bool:
        """Whether it is the same path of this machine for every process."""
        return self.text.startswith("/")

    @property
    def is_path(self) -> bool:
        """Whether it is spelt as a path, absolute or relative."""
        return self.text.startswith(("/", "."))

    @property
    def bucket_and_key(self) -> tuple[str, str]:
        """Bucket, and key or prefix without slashes at its ends, of an S3 address."""
        bucket, _, key = self.text.removeprefix("s3://").partition("/")
        return bucket, key.strip("/")

    @property
    def parent(self) -> str:
        """The address of the folder or prefix that it is in."""
        return self.text.rstrip("/").rpartition("/")[0]

    @property
    def name(self) -> str:
        """Its last part."""
        return self.text.rstrip("/").rpartition("/")[2]

    @property
    def hub_id(self) -> tuple[str, str | None]:
        """Name and revision of ``NAME`` or ``NAME@REVISION``."""
        name, _, revision = self.text.partition("@")
        return name, revision or None
