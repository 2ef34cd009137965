"""Files that a configuration names: a path of this machine, or an object in S3."""

import re
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
        _check(address, folder / name)

    return cached_folder({"file": address, "tag": found.etag}, fill) / name


def _check(address: str, path: Path) -> None:
    promised = _NAMED_BY_CONTENT.search(address)
    found = file_digest(path)
    if promised is not None and promised[1] != found:
        raise DamagedError(
            address, rule=f"sha256 is {found}, its address promises another", remedy="delete it and submit again"
        )
