"""A content-addressed store of folders with two homes: a local folder, or an S3 prefix.

An entry becomes visible only when complete: its files are written first and `manifest.json`, which
holds the sha256 of each, last. What is fetched is checked against it.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from palm.errors import StorageError
from palm.storage.digest import folder_digests

MANIFEST = "manifest.json"


class Store:
    """Entries below one root.

    Args:
        root: a folder path or ``s3://bucket/prefix``.

    Raises:
        StorageError: the root is neither.
    """

    def __init__(self, root: str):
        scheme = urlsplit(root).scheme
        if scheme not in ("", "s3"):
            raise StorageError(f"storage.root={root!r}", rule="must be a folder or an s3:// prefix", remedy="change it")
        self.root = root.rstrip("/")

    def fetch(self, key: str, destination: Path) -> bool:
        """Copy an entry into a folder and check every byte of it.

        Args:
            key: the entry's name.
            destination: a folder that does not exist or is empty; untouched if there is no entry.

        Returns:
            Whether the entry exists.

        Raises:
            StorageError: the store cannot be reached, or the entry is damaged.
        """
        with _told(f"{self.root}/{key}"):
            if self.root.startswith("s3://"):
                manifest = _s3_manifest(self.root, key)
            else:
                path = Path(self.root) / key / MANIFEST
                manifest = json.loads(path.read_text()) if path.exists() else None
            if manifest is None:
                return False
            destination.mkdir(parents=True, exist_ok=True)
            for name in manifest:
                (destination / name).parent.mkdir(parents=True, exist_ok=True)
                if self.root.startswith("s3://"):
                    bucket, prefix = split_s3(f"{self.root}/{key}/{name}")
                    s3_client().download_file(bucket, prefix, str(destination / name))
                else:
                    shutil.copyfile(Path(self.root) / key / name, destination / name)
        self._verify(key, manifest, destination)
        return True

    def publish(self, key: str, folder: Path) -> None:
        """Make a folder's files an entry. If the entry exists already, it stays as it is.

        Args:
            key: the entry's name, made from its content's definition.
            folder: the files.

        Raises:
            StorageError: the store cannot be written.
        """
        manifest = folder_digests(folder)
        with _told(f"{self.root}/{key}"):
            if self.root.startswith("s3://"):
                if _s3_manifest(self.root, key) is None:
                    _s3_upload(self.root, key, folder, manifest)
            else:
                _publish_locally(Path(self.root) / key, folder, manifest)

    def _verify(self, key: str, manifest: dict[str, str], destination: Path) -> None:
        found = folder_digests(destination)
        for name, digest in manifest.items():
            if found.get(name) != digest:
                shutil.rmtree(destination)
                raise StorageError(
                    f"{self.root}/{key}/{name}",
                    rule=f"sha256 is {found.get(name)}, the manifest says {digest}",
                    remedy="the stored file is damaged: delete this entry and run again",
                )


@contextmanager
def _told(place: str) -> Iterator[None]:
    # boto3's errors have no common base with OSError, so both families are told here, once.
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (OSError, BotoCoreError, ClientError, Boto3Error, json.JSONDecodeError) as error:
        raise StorageError(
            place,
            rule=f"cannot be read or written ({error})",
            remedy="check the path, the permissions and, for S3, endpoint and credentials",
        ) from error


def _publish_locally(place: Path, folder: Path, manifest: dict[str, str]) -> None:
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
    try:
        shutil.copytree(folder, temporary, dirs_exist_ok=True)
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=2))
        temporary.chmod(0o755)
        try:
            os.rename(temporary, place)
        except OSError:
            # Another worker published the same content in the meantime: theirs is as good.
            if not (place / MANIFEST).exists():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def s3_client():
    """An S3 client configured by the usual AWS environment variables and files."""
    import boto3
    from botocore.config import Config

    return boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": 5}))


def split_s3(uri: str) -> tuple[str, str]:
    """Bucket and key of an s3:// address."""
    parts = urlsplit(uri)
    return parts.netloc, parts.path.strip("/")


def fetch_s3_folder(uri: str, destination: Path) -> None:
    """Download every object below an S3 prefix.

    Args:
        uri: ``s3://bucket/prefix``.
        destination: folder to fill.

    Raises:
        StorageError: nothing is there, or S3 refuses.
    """
    bucket, prefix = split_s3(uri)
    with _told(uri):
        pages = s3_client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        for key in keys:
            target = destination / key.removeprefix(f"{prefix}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            s3_client().download_file(bucket, key, str(target))
    if not keys:
        raise StorageError(uri, rule="holds no objects", remedy="check bucket and prefix")


def _s3_manifest(root: str, key: str) -> dict[str, str] | None:
    from botocore.exceptions import ClientError

    bucket, prefix = split_s3(f"{root}/{key}/{MANIFEST}")
    try:
        return json.loads(s3_client().get_object(Bucket=bucket, Key=prefix)["Body"].read())
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return None
        raise


def _s3_upload(root: str, key: str, folder: Path, manifest: dict[str, str]) -> None:
    client = s3_client()
    for name in manifest:
        bucket, target = split_s3(f"{root}/{key}/{name}")
        client.upload_file(str(folder / name), bucket, target)
    bucket, target = split_s3(f"{root}/{key}/{MANIFEST}")
    client.put_object(Bucket=bucket, Key=target, Body=json.dumps(manifest, indent=2).encode())
