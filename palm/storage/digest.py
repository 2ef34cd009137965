"""Names by content: sha256 of files, folders and values."""

import hashlib
import json
from pathlib import Path

_BLOCK_BYTES = 1 << 20


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes.

    Args:
        path: an existing file.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def folder_digests(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder, by relative POSIX path, in sorted order.

    Args:
        folder: an existing folder.

    Returns:
        Relative path to digest.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


def folder_digest(folder: Path) -> str:
    """One sha256 for all files below a folder, their names included.

    Args:
        folder: an existing folder.

    Returns:
        64 hexadecimal digits.
    """
    return value_digest(folder_digests(folder))


def value_digest(value) -> str:
    """sha256 of a JSON-able value, independent of the order of keys.

    Args:
        value: nested dicts, lists, strings, numbers.

    Returns:
        64 hexadecimal digits.
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()
