"""Everything that is below a root, with sizes and times: what garbage collection looks at."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from palm.storage.s3 import s3_entries, s3_unfinished, split_s3, told


@dataclass(frozen=True)
class StoredFile:
    """A file or object.

    Attributes:
        name: its path relative to the root; of an empty folder, with a slash at the end.
        size: bytes.
        modified: seconds since 1970.
    """

    name: str
    size: int
    modified: float


@dataclass(frozen=True)
class UnfinishedUpload:
    """An upload to S3 in parts that was begun and not ended.

    Attributes:
        name: path of the object, relative to the root.
        upload: S3's id of it.
        begun: seconds since 1970.
    """

    name: str
    upload: str
    begun: float


def stored_files(root: str, below: str = "") -> list[StoredFile]:
    """List what is stored.

    Args:
        root: ``storage.root``.
        below: relative path of a folder; empty for all.

    Returns:
        The files below it; none if there is no such folder.

    Raises:
        StorageError: it cannot be listed, in part or whole.
    """
    place = f"{root}/{below}" if below else root
    with told(place):
        if not root.startswith("s3://"):
            return _local_files(Path(root), Path(place))
        return [
            StoredFile(_relative(root, entry["Key"]), entry["Size"], _seconds(entry["LastModified"]))
            for entry in s3_entries(place)
        ]


def unfinished_uploads(root: str) -> list[UnfinishedUpload]:
    """List the uploads in parts that were begun and not ended; in a folder there are none.

    Args:
        root: ``storage.root``.

    Returns:
        The uploads.

    Raises:
        StorageError: they cannot be listed.
    """
    if not root.startswith("s3://"):
        return []
    with told(root):
        return [
            UnfinishedUpload(_relative(root, entry["Key"]), entry["UploadId"], _seconds(entry["Initiated"]))
            for entry in s3_unfinished(root)
        ]


def _relative(root: str, key: str) -> str:
    prefix = split_s3(root)[1]
    return key.removeprefix(f"{prefix}/") if prefix else key


def _seconds(moment: datetime) -> float:
    return moment.timestamp()


def _local_files(root: Path, place: Path) -> list[StoredFile]:
    found = []
    for folder, folders, files in os.walk(place, onerror=_unless_gone):
        names = [(name, "") for name in files] if files or folders else [("", "/")]
        for name, slash in names:
            path = Path(folder) / name
            try:
                state = path.lstat()
            except FileNotFoundError:
                continue
            size = 0 if slash else state.st_size
            found.append(StoredFile(path.relative_to(root).as_posix() + slash, size, state.st_mtime))
    return found


def _unless_gone(error: OSError) -> None:
    """A folder may be removed by others while the tree is walked; any other error leaves part of it unseen."""
    if not isinstance(error, FileNotFoundError):
        raise error
