"""SHA-256 digests of files, folders and values, as 64 hexadecimal digits."""

import hashlib
import json
from pathlib import Path

_BLOCK = 1 << 20


def file_digest(path: Path) -> str:
    """Digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def copy_with_digest(source: Path, destination: Path) -> str:
    """Copy a file's bytes, and return the digest of what was copied."""
    digest = hashlib.sha256()
    with source.open("rb") as stream, destination.open("wb") as copy:
        while block := stream.read(_BLOCK):
            digest.update(block)
            copy.write(block)
    return digest.hexdigest()


def folder_digests(folder: Path, *, without: str | None = None) -> dict[str, str]:
    """Digest of every file below a folder, by relative POSIX path, sorted.

    Args:
        without: name of folders whose files are not read.
    """
    found = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    files = [path for path in found if without not in path.parts and (folder / path).is_file()]
    return {path.as_posix(): file_digest(folder / path) for path in files}


def folder_digest(folder: Path) -> str:
    """One digest of the contents and names of all files below a folder."""
    return value_digest(folder_digests(folder))


def value_digest(value: object) -> str:
    """Digest of a JSON-able value; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()
