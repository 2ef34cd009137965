"""Folders in S3 that a configuration names, such as those of models."""

from collections.abc import Iterable
from pathlib import Path

from palm.errors import StorageError
from palm.storage.errors import storage_errors
from palm.storage.s3_backend import S3Backend


def list_s3_folder(uri: str) -> dict[str, str]:
    """List the objects below an S3 prefix.

    Returns:
        Name of every object, relative to the prefix, to its ETag.

    Raises:
        StorageError: the prefix holds no objects, or S3 refuses.
    """
    objects = S3Backend(uri).files()
    if not objects:
        raise StorageError(uri, rule="holds no objects", remedy="check bucket and prefix")
    # Some tools mark an empty folder by an object whose name ends with a slash.
    return {file.name: file.etag for file in objects if file.name and not file.name.endswith("/")}


def fetch_s3_folder(uri: str, destination: Path, names: Iterable[str] | None = None) -> None:
    """Download objects below an S3 prefix.

    Args:
        names: which objects, relative to the prefix; None for all.

    Raises:
        StorageError: an object does not exist, its name leads out of the folder, or S3 refuses.
    """
    files = {destination / name: name for name in (list_s3_folder(uri) if names is None else names)}
    for path, name in files.items():
        if not path.resolve().is_relative_to(destination.resolve()):
            raise StorageError(f"{uri}/{name}", rule="leads out of the folder", remedy="remove this object")
    with storage_errors(destination):
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
    missing = S3Backend(uri).download(files)
    if missing:
        raise StorageError(f"{uri}/{files[min(missing)]}", rule="does not exist any more", remedy="run again")
