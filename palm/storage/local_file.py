"""Files of the configuration, wherever they are: on this machine, or an object in S3."""

import re
from pathlib import Path

from palm.errors import DamagedError, StorageError
from palm.storage.cache import cached_folder
from palm.storage.digest import file_digest
from palm.storage.s3 import s3_head, s3_receive, split_s3, told

_NAMED_BY_CONTENT = re.compile(r"/inputs/([0-9a-f]{64})/[^/]+$")


def local_file(address: str) -> Path:
    """Bring a file to this machine; an object of S3 is downloaded once for each of its contents.

    Args:
        address: path of a file, or ``s3://bucket/key``. Below ``inputs/`` a folder named by 64 hexadecimal digits
            promises the sha256 of its file.

    Returns:
        A path to read from; of a local address that path itself, whether there is such a file or not.

    Raises:
        DamagedError: the object is not what its address promises.
        StorageError: there is no such object, S3 refuses, or the cache cannot be written.
    """
    if not address.startswith("s3://"):
        return Path(address)
    name = split_s3(address)[1].rsplit("/", 1)[-1]
    tag = _tag(address)

    def fill(folder: Path) -> None:
        with told(address), (folder / name).open("wb") as stream:
            # Only what the tag stands for: the object may be replaced meanwhile.
            s3_receive(address, stream, IfMatch=tag)
        _check(address, folder / name)

    return cached_folder({"file": address, "tag": tag}, fill) / name


def _tag(address: str) -> str:
    with told(address):
        found = s3_head(address)
    if found is None:
        raise StorageError(address, rule="does not exist", remedy="check bucket and key")
    return found["ETag"]


def _check(address: str, path: Path) -> None:
    promised = _NAMED_BY_CONTENT.search(address)
    found = file_digest(path)
    if promised is not None and promised[1] != found:
        raise DamagedError(
            address, rule=f"sha256 is {found}, its address promises another", remedy="delete it and submit again"
        )
