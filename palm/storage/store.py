"""A content-addressed store of folders with two homes: a local folder, or an S3 prefix.

An entry becomes visible only when complete: its files are written first and `manifest.json`, which
holds the sha256 of each, last. What is fetched is checked against it. Of several workers that publish
the same entry the first one wins.
"""

import contextlib
import errno
import os
import shutil
import tempfile
import threading
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import urlsplit

from palm.errors import DamagedError, StorageError
from palm.storage.digest import folder_digests
from palm.storage.manifest import MANIFEST, manifest_text, parse_manifest
from palm.storage.s3 import (
    s3_create,
    s3_delete,
    s3_download_all,
    s3_entries,
    s3_keys,
    s3_read,
    s3_upload,
    s3_write,
    split_s3,
    told,
)


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
                bucket, key = split_s3(f"{self.root}/{PROBE}")
                s3_write(f"{self.root}/{PROBE}", b"")
                s3_delete(bucket, [key])
            else:
                parent = next(place for place in (Path(self.root), *Path(self.root).parents) if place.exists())
                tempfile.TemporaryFile(dir=parent).close()

    def fetch(self, key: str, destination: Path, *, only: str = "*") -> bool:
        """Copy an entry into a folder and check every byte of it.

        Args:
            key: the entry's name.
            destination: a folder that does not exist or is empty; untouched if there is no entry.
            only: pattern of the names of the files that are copied, e.g. ``*.json``.

        Returns:
            Whether the entry exists; False also if it was removed meanwhile.

        Raises:
            DamagedError: a file of the entry is missing, cut or changed.
            StorageError: the store cannot be reached.
        """
        before = None
        with told(f"{self.root}/{key}"):
            while (text := self._read_manifest(key)) is not None:
                manifest = parse_manifest(text, f"{self.root}/{key}")
                manifest = {name: digest for name, digest in manifest.items() if fnmatch(name, only)}
                with contextlib.ExitStack() as unless_whole:
                    unless_whole.callback(_restore, destination, existed=destination.is_dir())
                    destination.mkdir(parents=True, exist_ok=True)
                    self._copy(key, manifest, destination)
                    damage = _damage(f"{self.root}/{key}", manifest, destination)
                    if damage is None:
                        unless_whole.pop_all()
                        return True
                # Another process may just remove the entry, or replace it; real damage is there the next time too.
                if text == before:
                    raise damage
                before = text
        return False

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
                _remove_from_s3(f"{self.root}/{prefix}")
            else:
                _remove_locally(Path(self.root) / prefix)

    def publish(self, key: str, folder: Path) -> bool:
        """Make a folder's files an entry. If the entry exists already, it stays as it is.

        Args:
            key: the entry's name, made from its content's definition.
            folder: the files.

        Returns:
            Whether these files are the entry; False if another worker was first with others.

        Raises:
            StorageError: the store cannot be written.
        """
        with told(f"{self.root}/{key}"):
            manifest = folder_digests(folder)
            if self.root.startswith("s3://"):
                return _publish_to_s3(f"{self.root}/{key}", folder, manifest)
            return _publish_locally(Path(self.root), key, folder, manifest)

    def _read_manifest(self, key: str) -> str | None:
        if self.root.startswith("s3://"):
            content = s3_read(f"{self.root}/{key}/{MANIFEST}")
            return None if content is None else content.decode(errors="replace")
        return _local_manifest(Path(self.root) / key)

    def _copy(self, key: str, manifest: dict[str, str], destination: Path) -> None:
        """Copy an entry's files; one that is gone is found when they are checked."""
        for name in manifest:
            (destination / name).parent.mkdir(parents=True, exist_ok=True)
        if self.root.startswith("s3://"):
            place = f"{self.root}/{key}"
            s3_download_all({destination / name: _blob(place, digest) for name, digest in manifest.items()})
            return
        for name in manifest:
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(Path(self.root) / key / name, destination / name)


PROBE = ".palm-probe"
"""Object that `Store.check_writable` writes and removes."""


def _restore(folder: Path, *, existed: bool) -> None:
    """Take out of a folder what was copied into it."""
    shutil.rmtree(folder, ignore_errors=True)
    if existed:
        folder.mkdir(exist_ok=True)


def _damage(place: str, manifest: dict[str, str], folder: Path) -> DamagedError | None:
    """What is wrong with the copy of an entry."""
    found = folder_digests(folder)
    for name, digest in manifest.items():
        if found.get(name) != digest:
            return DamagedError(
                f"{place}/{name}",
                rule=f"sha256 is {found.get(name)}, the manifest says {digest}",
                remedy="the stored file is damaged: delete this entry and run again",
            )
    return None


def _local_manifest(place: Path) -> str | None:
    try:
        return (place / MANIFEST).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None


def _remove_locally(place: Path) -> None:
    """Remove a folder at once for others; several may do it at the same time."""
    hidden = place.with_name(f".{place.name}.removed-{os.getpid()}-{threading.get_ident()}")
    with contextlib.suppress(FileNotFoundError):
        os.rename(place, hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def _remove_from_s3(place: str) -> None:
    bucket, _ = split_s3(place)
    found = s3_entries(place)
    manifests = {entry["Key"] for entry in found if entry["Key"].endswith(f"/{MANIFEST}")}
    s3_delete(bucket, manifests)
    files = {(entry["Key"], entry["LastModified"]) for entry in found if entry["Key"] not in manifests}
    if manifests:
        # Who saw no manifest may be uploading the same files again by now.
        files &= {(entry["Key"], entry["LastModified"]) for entry in s3_entries(place)}
    s3_delete(bucket, [key for key, _ in files])


def _publish_locally(root: Path, key: str, folder: Path, manifest: dict[str, str]) -> bool:
    place, text = root / key, manifest_text(manifest)
    place.parent.mkdir(parents=True, exist_ok=True)
    # Not beside the entry: whoever removes a whole prefix meanwhile must not take it away.
    temporary = Path(tempfile.mkdtemp(dir=root, prefix=f".{place.name}."))
    try:
        for name in manifest:
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, temporary / name)
        (temporary / MANIFEST).write_text(text, encoding="utf-8")
        temporary.chmod(0o755)
        while True:
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                os.rename(temporary, place)
                return True
            except OSError as error:
                # In the way is another entry, or what a killed removal has left; the parent may just be removed.
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT) or not temporary.is_dir():
                    raise
            there = _local_manifest(place)
            if there is not None:
                return there == text
            _remove_locally(place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _blob(place: str, digest: str) -> str:
    # Named by content, so that two workers who publish the same entry never overwrite each other's files.
    return f"{place}/sha256-{digest}"


def _publish_to_s3(place: str, folder: Path, manifest: dict[str, str]) -> bool:
    files = {_blob(place, digest): folder / name for name, digest in manifest.items()}
    s3_upload(files)
    if not s3_create(f"{place}/{MANIFEST}", manifest_text(manifest).encode()):
        return False
    # Who was removing an entry of this name meanwhile may have taken files of the new one for the old one's.
    bucket, _ = split_s3(place)
    there = {f"s3://{bucket}/{key}" for key in s3_keys(place)}
    s3_upload({address: path for address, path in files.items() if address not in there})
    return True
