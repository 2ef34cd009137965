"""What is asked of S3, here and nowhere else, and its errors in one form."""

import contextlib
import io
import itertools
import random
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from palm.errors import StorageError
from palm.storage.s3_client import FILES, PARTS, s3_client

_CONDITIONAL_ATTEMPTS = 5
"""Of a conditional write that meets another one."""

_PAUSE_SECONDS = 0.05
"""Before the second attempt; doubled for each further one, as botocore does it."""


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
            remedy="check the path, the room, the permissions and, for S3, endpoint and credentials",
        ) from error


def split_s3(uri: str) -> tuple[str, str]:
    """Bucket and key of an s3:// address."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key.strip("/")


def s3_head(address: str) -> dict | None:
    """What S3 says of an object: ``ETag``, ``ContentLength``; None if there is none."""
    bucket, key = split_s3(address)
    return _unless_missing(lambda: s3_client().head_object(Bucket=bucket, Key=key))


def s3_read(address: str) -> bytes | None:
    """The content of a small object; None if there is none."""
    stream = io.BytesIO()
    return _unless_missing(lambda: s3_receive(address, stream) or stream.getvalue())


def s3_receive(address: str, stream: BinaryIO, **conditions: str) -> None:
    """Write an object's content into an empty stream.

    Args:
        address: of the object.
        stream: binary, can be written from its start again.
        conditions: of the request, such as ``IfMatch``.
    """
    from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

    bucket, key = split_s3(address)
    client = s3_client()
    attempts = client.meta.config.retries["total_max_attempts"]
    for attempt in range(1, attempts + 1):
        stream.seek(0)
        stream.truncate()
        body = client.get_object(Bucket=bucket, Key=key, **conditions)["Body"]
        try:
            shutil.copyfileobj(body, stream)
            return
        # botocore repeats requests, but not the reading of a body that breaks off.
        except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError, ConnectionError):
            if attempt == attempts:
                raise
            _pause(attempt)


def s3_write(address: str, content: bytes) -> None:
    """Write a small JSON object, in place of the one that is there."""
    bucket, key = split_s3(address)
    s3_client().put_object(Bucket=bucket, Key=key, Body=content, ContentType="application/json")


def s3_create(address: str, content: bytes) -> bool:
    """Write a small object unless there is one.

    Args:
        address: of the object.
        content: its bytes.

    Returns:
        Whether the object has this content now; False if another one was first.
    """
    from botocore.exceptions import ClientError

    bucket, key = split_s3(address)
    for attempt in itertools.count(1):
        try:
            s3_client().put_object(Bucket=bucket, Key=key, Body=content, IfNoneMatch="*")
            return True
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict"):
                raise
            # A repeated request, whose first answer was lost, finds its own object.
            there = s3_read(address)
            if there is not None:
                return there == content
            # Another one is just being written, or was just removed.
            if attempt == _CONDITIONAL_ATTEMPTS:
                raise
            _pause(attempt)


def s3_upload(files: Mapping[str, Path]) -> None:
    """Upload files, several at once and large ones in parts.

    Args:
        files: address to file.
    """
    with _transfer() as transfer:
        _at_once(lambda entry: _upload(transfer, str(entry[1]), *split_s3(entry[0])), files.items())


def _upload(transfer, path: str, bucket: str, key: str) -> None:
    from boto3.exceptions import S3UploadFailedError

    try:
        transfer.upload_file(path, bucket, key)
    except S3UploadFailedError as error:
        if "NoSuchUpload" not in str(error):
            raise
        # The end of an upload in parts was told twice, because the first answer was lost.
        transfer.upload_file(path, bucket, key)


def s3_download(uri: str, destination: Path) -> None:
    """Download an object.

    Args:
        uri: its address.
        destination: file to write.

    Raises:
        FileNotFoundError: there is no such object.
    """
    if s3_download_all({destination: uri}):
        raise FileNotFoundError(uri)


def s3_download_all(files: Mapping[Path, str]) -> set[Path]:
    """Download objects, several at once and large ones in parts.

    Args:
        files: file to write, in a folder that exists, to address.

    Returns:
        The files whose objects do not exist.
    """
    with _transfer() as transfer:

        def fetch(entry: tuple[Path, str]) -> Path | None:
            path, address = entry
            bucket, key = split_s3(address)
            return _unless_missing(lambda: transfer.download_file(bucket, key, str(path)) or path)

        return set(files) - set(_at_once(fetch, files.items()))


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
    # What ends with a slash stands for an empty folder in some tools, and is no file.
    return {e["Key"].removeprefix(f"{prefix}/"): e["ETag"] for e in entries if not e["Key"].endswith("/")}


def fetch_s3_folder(uri: str, destination: Path, names: Iterable[str] | None = None) -> None:
    """Download objects below an S3 prefix.

    Args:
        uri: ``s3://bucket/prefix``.
        destination: folder to fill.
        names: which objects, relative to the prefix; None for all.

    Raises:
        StorageError: nothing is there, a name leads out of the folder, or S3 refuses.
    """
    names = list_s3_folder(uri) if names is None else names
    wanted = {destination / name: f"{uri.rstrip('/')}/{name}" for name in names}
    for path, address in wanted.items():
        if not path.resolve().is_relative_to(destination.resolve()):
            raise StorageError(address, rule="leads out of the folder", remedy="remove this object")
    with told(uri):
        for path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
        missing = s3_download_all(wanted)
    if missing:
        raise StorageError(wanted[min(missing)], rule="is not there any more", remedy="run again")


def s3_entries(uri: str) -> list[dict]:
    """All objects below a prefix: ``Key``, ``ETag``, ``Size``, ``LastModified``."""
    return _listed(uri, "list_objects_v2", "Contents")


def s3_folders(uri: str) -> list[str]:
    """Names of what lies directly below a prefix and holds objects."""
    return [
        entry["Prefix"].split("/")[-2] for entry in _listed(uri, "list_objects_v2", "CommonPrefixes", Delimiter="/")
    ]


def s3_keys(uri: str) -> list[str]:
    """Keys of all objects below a prefix."""
    return [entry["Key"] for entry in s3_entries(uri)]


def s3_delete(bucket: str, keys: Iterable[str]) -> None:
    """Delete objects, several at once; those that are gone already are no error."""
    client = s3_client()
    # One request each: not every server that speaks S3 knows the deletion of many.
    _at_once(lambda key: client.delete_object(Bucket=bucket, Key=key), keys)


def s3_unfinished(uri: str) -> list[dict]:
    """Uploads in parts below a prefix that were begun and not ended: ``Key``, ``UploadId``, ``Initiated``."""
    return _listed(uri, "list_multipart_uploads", "Uploads")


def s3_abort(bucket: str, key: str, upload: str) -> None:
    """End an upload in parts, whose parts are removed; one that is gone already is no error."""
    from botocore.exceptions import ClientError

    try:
        s3_client().abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchUpload", "404"):
            raise


def _listed(uri: str, operation: str, kind: str, **options) -> list[dict]:
    bucket, prefix = split_s3(uri)
    pages = s3_client().get_paginator(operation).paginate(Bucket=bucket, Prefix=prefix and f"{prefix}/", **options)
    return [entry for page in pages for entry in page.get(kind, [])]


def _transfer():
    from boto3.s3.transfer import S3Transfer, TransferConfig

    # The classic client: the other one has neither our retries nor our time limits.
    return S3Transfer(s3_client(), TransferConfig(max_concurrency=PARTS, preferred_transfer_client="classic"))


def _at_once(work: Callable, items: Iterable) -> list:
    with ThreadPoolExecutor(FILES, "s3") as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _unless_missing(ask: Callable):
    """The answer; None if the object does not exist."""
    from botocore.exceptions import ClientError

    try:
        return ask()
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey"):
            raise
        return None


def _pause(attempt: int) -> None:
    time.sleep(random.random() * _PAUSE_SECONDS * 2**attempt)
