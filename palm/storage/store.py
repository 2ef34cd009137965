"""A content-addressed store of folders with two homes: a local folder, or an S3 prefix.

An entry becomes visible only when complete: its files are written first and `manifest.json`, which
holds the sha256 of each, last. What is fetched is checked against it. Of several workers that publish
the same entry the first one wins.
"""

import contextlib
import json
import os
import shutil
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

from palm.errors import DamagedError, StorageError
from palm.storage.digest import folder_digests
from palm.storage.s3 import s3_client, s3_download, s3_keys, split_s3, told

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
        with told(self.root):
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
            DamagedError: a file of the entry is missing, cut or changed.
            StorageError: the store cannot be reached.
        """
        with told(f"{self.root}/{key}"):
            text = self._read_manifest(key)
            if text is None:
                return False
            manifest = _parse_manifest(text, f"{self.root}/{key}")
            destination.mkdir(parents=True, exist_ok=True)
            for name in manifest:
                (destination / name).parent.mkdir(parents=True, exist_ok=True)
                # A file that is gone is found by the check below, with the others.
                with contextlib.suppress(FileNotFoundError):
                    self._copy(key, name, manifest[name], destination / name)
        self._verify(key, manifest, destination)
        return True

    def has(self, key: str) -> bool:
        """Tell whether there is a complete entry.

        Args:
            key: the entry's name.

        Returns:
            Whether `fetch` would find it.

        Raises:
            StorageError: the store cannot be reached.
        """
        with told(f"{self.root}/{key}"):
            return self._read_manifest(key) is not None

    def entries(self, prefix: str) -> list[str]:
        """Names of the complete entries directly below a prefix, sorted.

        Args:
            prefix: first part of the entries' names, without the last slash.

        Returns:
            Their last parts.

        Raises:
            StorageError: the store cannot be reached.
        """
        with told(f"{self.root}/{prefix}"):
            if self.root.startswith("s3://"):
                manifests = [key for key in s3_keys(f"{self.root}/{prefix}") if key.endswith(f"/{MANIFEST}")]
                return sorted(key.split("/")[-2] for key in manifests)
            return sorted(path.parent.name for path in (Path(self.root) / prefix).glob(f"[!.]*/{MANIFEST}"))

    def remove(self, prefix: str) -> None:
        """Remove everything below a prefix; an entry ceases to exist before its files do.

        Args:
            prefix: an entry's name, or the first part of several.

        Raises:
            StorageError: the store cannot be written.
        """
        with told(f"{self.root}/{prefix}"):
            if self.root.startswith("s3://"):
                bucket, _ = split_s3(self.root)
                keys = sorted(s3_keys(f"{self.root}/{prefix}"), key=lambda key: not key.endswith(f"/{MANIFEST}"))
                for key in keys:
                    s3_client().delete_object(Bucket=bucket, Key=key)
            else:
                _remove_locally(Path(self.root) / prefix)

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
        with told(f"{self.root}/{key}"):
            if self.root.startswith("s3://"):
                return _publish_to_s3(self.root, key, folder, manifest)
            return _publish_locally(Path(self.root), key, folder, manifest)

    def _read_manifest(self, key: str) -> str | None:
        if self.root.startswith("s3://"):
            return _s3_manifest(self.root, key)
        path = Path(self.root) / key / MANIFEST
        return path.read_text(errors="replace") if path.exists() else None

    def _copy(self, key: str, name: str, digest: str, destination: Path) -> None:
        if self.root.startswith("s3://"):
            s3_download(_s3_blob(self.root, key, digest), destination)
        else:
            shutil.copyfile(Path(self.root) / key / name, destination)

    def _verify(self, key: str, manifest: dict[str, str], destination: Path) -> None:
        found = folder_digests(destination)
        for name, digest in manifest.items():
            if found.get(name) != digest:
                shutil.rmtree(destination)
                raise DamagedError(
                    f"{self.root}/{key}/{name}",
                    rule=f"sha256 is {found.get(name)}, the manifest says {digest}",
                    remedy="the stored file is damaged: delete this entry and run again",
                )


def _remove_locally(place: Path) -> None:
    """Remove a folder at once for others; several may do it at the same time."""
    hidden = place.with_name(f".{place.name}.removed-{os.getpid()}-{threading.get_ident()}")
    with contextlib.suppress(FileNotFoundError):
        os.rename(place, hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def _parse_manifest(text: str, place: str) -> dict[str, str]:
    try:
        manifest = dict(json.loads(text))
        outside = [name for name in manifest if Path(name).is_absolute() or ".." in Path(name).parts]
        if outside:
            raise ValueError(f"{outside[0]} leads out of the entry")
        return manifest
    except (ValueError, TypeError) as error:
        raise DamagedError(
            f"{place}/{MANIFEST}", rule=f"is not a manifest ({error})", remedy="delete this entry and run again"
        ) from error


def _publish_locally(root: Path, key: str, folder: Path, manifest: dict[str, str]) -> bool:
    place = root / key
    place.parent.mkdir(parents=True, exist_ok=True)
    # Not beside the entry: whoever removes a whole prefix meanwhile must not take it away.
    temporary = Path(tempfile.mkdtemp(dir=root, prefix=f".{place.name}."))
    try:
        shutil.copytree(folder, temporary, dirs_exist_ok=True)
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=2))
        temporary.chmod(0o755)
        try:
            os.rename(temporary, place)
        except OSError:
            if (place / MANIFEST).exists():
                return False
            # What a process that was killed in the middle of removing an entry has left.
            _remove_locally(place)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.rename(temporary, place)
        return True
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _s3_manifest(root: str, key: str) -> str | None:
    from botocore.exceptions import ClientError

    bucket, prefix = split_s3(f"{root}/{key}/{MANIFEST}")
    try:
        return s3_client().get_object(Bucket=bucket, Key=prefix)["Body"].read().decode(errors="replace")
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
