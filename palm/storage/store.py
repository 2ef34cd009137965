"""A content-addressed store of folders with two homes: a local folder, or an S3 prefix.

An entry becomes visible only when complete: its files are written first and `manifest.json`, which
holds the sha256 of each, last. What is fetched is checked against it. Of several workers that publish
the same entry the first one wins.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
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

    def check_writable(self) -> None:
        """Write and remove a small object, before any work relies on it.

        Raises:
            StorageError: the store cannot be written.
        """
        with _told(self.root):
            if self.root.startswith("s3://"):
                bucket, path = split_s3(f"{self.root}/.palm-probe")
                s3_client().put_object(Bucket=bucket, Key=path, Body=b"")
                s3_client().delete_object(Bucket=bucket, Key=path)
            else:
                parent = next(place for place in (Path(self.root), *Path(self.root).parents) if place.exists())
                tempfile.TemporaryFile(dir=parent).close()

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
                    bucket, path = split_s3(_s3_blob(self.root, key, manifest[name]))
                    s3_client().download_file(bucket, path, str(destination / name))
                else:
                    shutil.copyfile(Path(self.root) / key / name, destination / name)
        self._verify(key, manifest, destination)
        return True

    def publish(self, key: str, folder: Path) -> bool:
        """Make a folder's files an entry. If the entry exists already, it stays as it is.

        Args:
            key: the entry's name, made from its content's definition.
            folder: the files.

        Returns:
            Whether these files are the entry; False if another worker was first.

        Raises:
            StorageError: the store cannot be written.
        """
        manifest = folder_digests(folder)
        with _told(f"{self.root}/{key}"):
            if self.root.startswith("s3://"):
                return _publish_to_s3(self.root, key, folder, manifest)
            return _publish_locally(Path(self.root) / key, folder, manifest)

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


def _publish_locally(place: Path, folder: Path, manifest: dict[str, str]) -> bool:
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
    try:
        shutil.copytree(folder, temporary, dirs_exist_ok=True)
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=2))
        temporary.chmod(0o755)
        try:
            os.rename(temporary, place)
        except OSError:
            if not (place / MANIFEST).exists():
                raise
            return False
        return True
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


def list_s3_folder(uri: str) -> dict[str, str]:
    """What is below an S3 prefix.

    Args:
        uri: ``s3://bucket/prefix``.

    Returns:
        Name of every object, relative to the prefix, to its ETag.

    Raises:
        StorageError: nothing is there, or S3 refuses.
    """
    bucket, prefix = split_s3(uri)
    with _told(uri):
        pages = s3_client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
        entries = [entry for page in pages for entry in page.get("Contents", [])]
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
        with _told(uri):
            target.parent.mkdir(parents=True, exist_ok=True)
            s3_client().download_file(bucket, f"{prefix}/{name}", str(target))


def _s3_manifest(root: str, key: str) -> dict[str, str] | None:
    from botocore.exceptions import ClientError

    bucket, prefix = split_s3(f"{root}/{key}/{MANIFEST}")
    try:
        return json.loads(s3_client().get_object(Bucket=bucket, Key=prefix)["Body"].read())
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return None
        raise


def _s3_blob(root: str, key: str, digest: str) -> str:
    # Named by content, so that two workers who publish the same entry never overwrite each other's files.
    return f"{root}/{key}/sha256-{digest}"


def _publish_to_s3(root: str, key: str, folder: Path, manifest: dict[str, str]) -> bool:
    from botocore.exceptions import ClientError

    client = s3_client()
    for name, digest in manifest.items():
        bucket, path = split_s3(_s3_blob(root, key, digest))
        client.upload_file(str(folder / name), bucket, path)
    bucket, path = split_s3(f"{root}/{key}/{MANIFEST}")
    try:
        client.put_object(Bucket=bucket, Key=path, Body=json.dumps(manifest, indent=2).encode(), IfNoneMatch="*")
    except ClientError as error:
        if error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict"):
            return False
        raise
    return True
