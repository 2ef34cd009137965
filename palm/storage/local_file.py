"""Files of the configuration, wherever they are: on this machine, or an object in S3."""

import re
import shutil
from pathlib import Path

from palm.errors import DamagedError, StorageError
from palm.storage.cache import cached_folder
from palm.storage.digest import file_digest
from palm.storage.s3 import s3_client, split_s3, told

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
    bucket, key = split_s3(address)
    name = key.rsplit("/", 1)[-1]
    tag = _tag(address, bucket, key)

    def fill(folder: Path) -> None:
        with told(address), (folder / name).open("wb") as stream:
            # Only what the tag stands for: the object may be replaced meanwhile.
            shutil.copyfileobj(s3_client().get_object(Bucket=bucket, Key=key, IfMatch=tag)["Body"], stream)
        _check(address, folder / name)

    return cached_folder({"file": address, "tag": tag}, fill) / name


def _tag(address: str, bucket: str, key: str) -> str:
    from botocore.exceptions import ClientError

    with told(address):
        try:
            return s3_client().head_object(Bucket=bucket, Key=key)["ETag"]
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchKey"):
                raise
            raise StorageError(address, rule="does not exist", remedy="check bucket and key") from error


def _check(address: str, path: Path) -> None:
    promised = _NAMED_BY_CONTENT.search(address)
    found = file_digest(path)
    if promised is not None and promised[1] != found:
        raise DamagedError(
            address, rule=f"sha256 is {found}, its address promises another", remedy="delete it and submit again"
        )
