"""Backends of the storage: the same operations on a local folder and on an S3 prefix."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from palm.errors import StorageError
from palm.storage.folder_backend import FolderBackend
from palm.storage.inventory import StoredFile, UnfinishedUpload
from palm.storage.location import Location
from palm.storage.s3_backend import S3Backend


class Backend(Protocol):
    """Files below a root. Names are POSIX paths relative to it; every method may raise a `StorageError`."""

    def read(self, name: str) -> bytes | None:
        """The content of a small file; None if it does not exist."""

    def write(self, name: str, content: bytes) -> None:
        """Write a small file, or replace it; readers see the old content or the new one, never a part."""

    def files(self, below: str = "") -> list[StoredFile]:
        """All files below a folder; none if it does not exist."""

    def folders(self, below: str) -> list[str]:
        """Names of the folders directly in a folder, sorted; none if it does not exist."""

    def remove(self, name: str) -> None:
        """Remove a file, or all below a folder: an entry's manifest first. What does not exist is no error."""

    def stored_name(self, name: str, digest: str) -> str:
        """The name in the storage of an entry's file, relative to the entry, given its name and sha256."""

    def publish(self, key: str, files: Mapping[str, Path], manifest: bytes) -> bool:
        """Make files an entry, its manifest last, unless the entry exists.

        Args:
            files: `stored_name` to file.

        Returns:
            Whether the entry has this manifest now; False if another one was published first.
        """

    def download(self, files: Mapping[Path, str]) -> set[Path]:
        """Copy files to this machine.

        Args:
            files: path to write, in a folder that exists, to name.

        Returns:
            The paths whose files do not exist in the storage.
        """

    def check_writable(self) -> None:
        """Write and remove a probe."""

    def unfinished_uploads(self) -> list[UnfinishedUpload]:
        """Multipart uploads that were neither completed nor aborted."""

    def abort(self, name: str, upload: str) -> None:
        """Abort an upload, by its object and id; one that does not exist any more is no error."""


def open_backend(root: str) -> Backend:
    """The backend for a root, a folder or ``s3://BUCKET/PREFIX``; StorageError if it is neither."""
    location = Location(root)
    if location.is_s3:
        return S3Backend(root)
    if location.is_url:
        raise StorageError(f"storage.root={root!r}", rule="must be a folder or an s3:// prefix", remedy="change it")
    return FolderBackend(root)
