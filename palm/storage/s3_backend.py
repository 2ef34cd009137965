"""The backend over a prefix in S3; all requests to S3 are made here."""

import io
import mimetypes
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from palm.storage.errors import storage_errors
from palm.storage.inventory import StoredFile, UnfinishedUpload
from palm.storage.location import Location
from palm.storage.manifest import MANIFEST
from palm.storage.s3_client import (
    REFUSED_HEADERS,
    encryption,
    in_parallel,
    none_if_missing,
    pause,
    read_object,
    s3_client,
    s3_error_types,
    s3_remedy,
    transfer_manager,
)
from palm.storage.s3_probe import no_conditional_writes, probe_store

_CONDITIONAL_ATTEMPTS = 5
"""Attempts of a conditional write that conflicts with another one."""


class S3Backend:
    """Objects below a prefix, ``s3://BUCKET/PREFIX``."""

    def __init__(self, root: str):
        self.root = root.rstrip("/")
        self._bucket, self._prefix = Location(root).bucket_and_key

    def read(self, name: str) -> bytes | None:
        def request() -> bytes:
            stream = io.BytesIO()
            read_object(stream, **self._object(name))
            return stream.getvalue()

        with self._errors(name):
            return none_if_missing(request)

    def read_version(self, name: str, etag: str, stream: BinaryIO) -> None:
        """Write an object's content into a stream, if it still has a given ETag."""
        with self._errors(name):
            read_object(stream, **self._object(name), IfMatch=etag)

    def write(self, name: str, content: bytes) -> None:
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        with self._errors(name):
            s3_client().put_object(**self._object(name), **encryption(), Body=content, ContentType=kind)

    def create(self, name: str, content: bytes) -> bool:
        """Write a small object unless it exists; returns whether the object has this content now.

        Another object must have been written before, so that a refusal is about the condition alone.
        """
        from botocore.exceptions import ClientError

        with self._errors(name):
            attempt = 0
            while True:
                attempt += 1
                try:
                    s3_client().put_object(**self._object(name), **encryption(), Body=content, IfNoneMatch="*")
                    return True
                except ClientError as error:
                    code = error.response["Error"]["Code"]
                    if code in REFUSED_HEADERS:
                        raise no_conditional_writes(f"{self.root}/{name}", "it refuses the header") from error
                    if code not in ("PreconditionFailed", "ConditionalRequestConflict"):
                        raise
                    # A retry, the answer to whose first attempt was lost, finds its own object.
                    existing = self.read(name)
                    if existing is not None:
                        return existing == content
                    # Another one is being written, or was just removed.
                    if attempt == _CONDITIONAL_ATTEMPTS:
                        raise
                    pause(attempt)

    def stat(self, name: str) -> StoredFile | None:
        """Size, time and ETag of an object; None if it does not exist."""
        with self._errors(name):
            head = none_if_missing(lambda: s3_client().head_object(**self._object(name)))
        return head and StoredFile(name, head["ContentLength"], head["LastModified"].timestamp(), head["ETag"])

    def files(self, below: str = "") -> list[StoredFile]:
        return [
            StoredFile(self._name(entry["Key"]), entry["Size"], entry["LastModified"].timestamp(), entry["ETag"])
            for entry in self._listed(below, "list_objects_v2", "Contents")
        ]

    def folders(self, below: str) -> list[str]:
        found = self._listed(below, "list_objects_v2", "CommonPrefixes", Delimiter="/")
        return sorted(entry["Prefix"].split("/")[-2] for entry in found)

    def remove(self, name: str) -> None:
        found = self.files(name)
        manifests = {file for file in found if file.name.endswith(f"/{MANIFEST}")}
        self._delete(file.name for file in manifests)
        others = set(found) - manifests
        if manifests:
            # A publisher that saw no manifest may be uploading the same files again.
            others &= set(self.files(name))
        self._delete([*(file.name for file in others), *([name] if name else [])])

    def stored_name(self, name: str, digest: str) -> str:
        # Named by content: publishers of the same entry never overwrite each other's files.
        return f"sha256-{digest}"

    def publish(self, key: str, files: Mapping[str, Path], manifest: bytes) -> bool:
        objects = {f"{key}/{name}": path for name, path in files.items()}
        self.upload(objects)
        if not self.create(f"{key}/{MANIFEST}", manifest):
            return False
        # The removal of an earlier entry of this name may have removed files of this one.
        kept = {file.name for file in self.files(key)}
        self.upload({name: path for name, path in objects.items() if name not in kept})
        return True

    def upload(self, files: Mapping[str, Path], *, in_parts: bool = False) -> None:
        """Upload files, in parallel, and large ones or all in parts; ``files``: name to file."""
        with self._errors(), transfer_manager(in_parts) as transfer:
            in_parallel(lambda entry: self._upload(transfer, *entry), files.items())

    def download(self, files: Mapping[Path, str], *, in_parts: bool = False) -> set[Path]:
        with self._errors(), transfer_manager(in_parts) as transfer:
            return set(files) - set(in_parallel(lambda entry: self._download(transfer, *entry), files.items()))

    def check_writable(self) -> None:
        probe_store(self)

    def unfinished_uploads(self) -> list[UnfinishedUpload]:
        return [
            UnfinishedUpload(self._name(entry["Key"]), entry["UploadId"], entry["Initiated"].timestamp())
            for entry in self._listed("", "list_multipart_uploads", "Uploads")
        ]

    def abort(self, name: str, upload: str) -> None:
        from botocore.exceptions import ClientError

        with self._errors(name):
            try:
                s3_client().abort_multipart_upload(**self._object(name), UploadId=upload)
            except ClientError as error:
                if error.response["Error"]["Code"] not in ("NoSuchUpload", "404"):
                    raise

    def _errors(self, name: str = "") -> AbstractContextManager:
        return storage_errors(f"{self.root}/{name}" if name else self.root, s3_error_types(), s3_remedy)

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _object(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._key(name)}

    def _name(self, key: str) -> str:
        return key.removeprefix(f"{self._prefix}/") if self._prefix else key

    def _listed(self, below: str, operation: str, kind: str, **options: str) -> list[dict]:
        prefix = self._key(f"{below}/" if below else "")
        with self._errors(below):
            paginator = s3_client().get_paginator(operation)
            pages = paginator.paginate(Bucket=self._bucket, Prefix=prefix, **options)
            return [entry for page in pages for entry in page.get(kind, [])]

    def _delete(self, names: Iterable[str]) -> None:
        # One request for each: not every S3 server has DeleteObjects.
        in_parallel(self._delete_one, names)

    def _delete_one(self, name: str) -> None:
        with self._errors(name):
            s3_client().delete_object(**self._object(name))

    def _upload(self, transfer: Any, name: str, path: Path) -> None:
        from boto3.exceptions import S3UploadFailedError

        with self._errors(name):
            try:
                transfer.upload_file(str(path), self._bucket, self._key(name), extra_args=encryption())
            except S3UploadFailedError as error:
                if "NoSuchUpload" not in str(error):
                    raise
                # The upload was completed, but the answer was lost and the retry failed.
                transfer.upload_file(str(path), self._bucket, self._key(name), extra_args=encryption())

    def _download(self, transfer: Any, path: Path, name: str) -> Path | None:
        with self._errors(name):
            return none_if_missing(lambda: transfer.download_file(self._bucket, self._key(name), str(path)) or path)
