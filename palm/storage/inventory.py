"""The inventory of a storage: what a backend lists, and garbage collection judges."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StoredFile:
    """A file or object.

    Attributes:
        name: path relative to the root; that of an empty folder ends with a slash.
        modified: seconds since 1970.
        etag: S3's tag of the content; empty for a file in a folder.
    """

    name: str
    size: int
    modified: float
    etag: str = ""


@dataclass(frozen=True)
class UnfinishedUpload:
    """A multipart upload to S3 that was begun and neither completed nor aborted.

    Attributes:
        name: path of the object, relative to the root.
        upload: S3's id of the upload.
        begun: seconds since 1970.
    """

    name: str
    upload: str
    begun: float
