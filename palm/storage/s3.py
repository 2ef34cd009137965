"""S3 through boto3: addresses, listing, downloading, and its errors in one form."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from palm.errors import StorageError


@contextlib.contextmanager
def told(place: str) -> Iterator[None]:
    """Turn whatever goes wrong with files or S3 into a `StorageError` about a place."""
    # boto3's errors have no common base with OSError, so both families are told here, once.
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (OSError, BotoCoreError, ClientError, Boto3Error) as error:
        raise StorageError(
            place,
            rule=f"cannot be read or written ({error})",
            remedy="check the path, the permissions and, for S3, endpoint and credentials",
        ) from error


def s3_client():
    """An S3 client configured by the usual AWS environment variables and files."""
    import boto3
    from botocore.config import Config

    return boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": 5}))


def split_s3(uri: str) -> tuple[str, str]:
    """Bucket and key of an s3:// address."""
    parts = urlsplit(uri)
    return parts.netloc, parts.path.strip("/")


def list_s3_folder(uri: str) -> dict[str, str]:
    """What is below an S3 prefix.

    Args:
        uri: ``s3://bucket/prefix``.

    Returns:
        Name of every object, relative to the prefix, to its ETag.

    Raises:
        StorageError: nothing is there, or S3 refuses.
    """
    _, prefix = split_s3(uri)
    with told(uri):
        entries = s3_entries(uri)
    if not entries:
        raise StorageError(uri, rule="holds no objects", remedy="check bucket and prefix")
    return {entry["Key"].removeprefix(f"{prefix}/"): entry["ETag"] for entry in entries}


def fetch_s3_folder(uri: str, destination: Path, names: Iterable[str] | None = None) -> None:
    """Download objects below an S3 prefix.

    Args:
        uri: ``s3://bucket/prefix``.
        destination: folder to fill.
        names: which objects, relative to the prefix; None for all.

    Raises:
        StorageError: nothing is there, a name leads out of the folder, or S3 refuses.
    """
    bucket, prefix = split_s3(uri)
    for name in list_s3_folder(uri) if names is None else names:
        target = destination / name
        if not target.resolve().is_relative_to(destination.resolve()):
            raise StorageError(f"{uri}/{name}", rule="leads out of the folder", remedy="remove this object")
        with told(uri):
            target.parent.mkdir(parents=True, exist_ok=True)
            s3_client().download_file(bucket, f"{prefix}/{name}", str(target))


def s3_entries(uri: str) -> list[dict]:
    """All objects below a prefix, with their keys and ETags."""
    bucket, prefix = split_s3(uri)
    pages = s3_client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    return [entry for page in pages for entry in page.get("Contents", [])]


def s3_keys(uri: str) -> list[str]:
    """Keys of all objects below a prefix."""
    return [entry["Key"] for entry in s3_entries(uri)]


def s3_download(uri: str, destination: Path) -> None:
    """Download an object.

    Args:
        uri: its address.
        destination: file to write.

    Raises:
        FileNotFoundError: there is no such object.
    """
    from botocore.exceptions import ClientError

    bucket, key = split_s3(uri)
    try:
        s3_client().download_file(bucket, key, str(destination))
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            raise FileNotFoundError(uri) from error
        raise
