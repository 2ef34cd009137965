"""Local copies of the files and folders that a configuration names: paths of this machine, or objects in S3."""

import re
from collections.abc import Iterable
from pathlib import Path

from palm.errors import DamagedError, StorageError
from palm.storage.cache import cached_folder
from palm.storage.digest import file_digest
from palm.storage.errors import storage_errors
from palm.storage.location import Location
from palm.storage.s3_backend import S3Backend

_NAMED_BY_CONTENT = re.compile(r"/inputs/([0-9a-f]{64})/[^/]+$")


def local_file(address: str) -> Path:
    """Bring a file to this machine; an object of S3 is downloaded once for each of its contents.

    Args:
        address: path of a file, or ``s3://bucket/key``. Below ``inputs/`` a folder named by 64 hexadecimal digits
            promises the sha256 of its file.

    Returns:
        A path to read from; of a local address that path itself, whether the file exists or not.

    Raises:
        DamagedError: the object has another sha256 than its address promises.
        StorageError: the object does not exist, S3 refuses, or the cache cannot be written.
    """
    location = Location(address)
    if not location.is_s3:
        return Path(address)
    backend, name = S3Backend(location.parent), location.name
    found = backend.stat(name)
    if found is None:
        raise StorageError(address, rule="does not exist", remedy="check bucket and key")

    def fill(folder: Path) -> None:
        with storage_errors(address), (folder / name).open("wb") as stream:
            # Only this version: the object may be replaced meanwhile.
            backend.read_version(name, found.etag, stream)
        promised, digest = _NAMED_BY_CONTENT.search(address), file_digest(folder / name)
        if promised is not None and promised[1] != digest:
            raise DamagedError(
                address, rule=f"sha256 is {digest}, its address promises another", remedy="delete it and submit again"
            )

    return cached_folder({"file": address, "tag": found.etag}, fill) / name


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
