"""Files and folders of this machine, written in one step: other processes see all of the content or none."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from palm.errors import DataError
from palm.storage.errors import disk_full_cause, not_writable

_NUMBERS = re.compile(r"\[\n\s*([-+.,\deE\s]+?)\s*\]")
"""A list of numbers as ``json.dumps(indent=2)`` writes it."""


def write_text(path: Path, text: str) -> None:
    """Write or replace a text file, in UTF-8; its folder is made if missing; StorageError if it cannot be written."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write or replace a file as `write_text` does."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise not_writable(path, error) from error
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise not_writable(path, error) from error
        raise


def write_json(path: Path, value: object) -> None:
    """Write or replace a JSON file, formatted by `json_text`; ValueError if a number is NaN or infinite."""
    write_text(path, json_text(value) + "\n")


def json_text(value: object) -> str:
    """Indented JSON without a final line break; every list of numbers is on one line.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    # JSON strings contain no raw line breaks, so a bracket before a line break always opens a list.
    return _NUMBERS.sub(
        lambda numbers: f"[{' '.join(numbers[1].split())}]", json.dumps(value, indent=2, allow_nan=False)
    )


def read_json(path: Path) -> dict:
    """Read a JSON file that an earlier step wrote; DataError if it is missing or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(
            str(path), rule=f"cannot be read as JSON ({error})", remedy="give the file that the earlier step wrote"
        ) from error


@contextmanager
def new_folder(destination: Path) -> Iterator[Path]:
    """A temporary folder, which is renamed to its destination when the block ends without an error.

    Args:
        destination: a path that does not exist, or an empty folder.

    Raises:
        StorageError: the folder cannot be made, or the disk was full.
    """
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=destination.parent, prefix=f".{destination.name}."))
    except OSError as error:
        raise not_writable(destination, error) from error
    try:
        yield temporary
        temporary.chmod(0o755)
        if destination.is_dir() and not any(destination.iterdir()):
            destination.rmdir()
        os.rename(temporary, destination)
    except BaseException as error:
        full = disk_full_cause(error, temporary)
        shutil.rmtree(temporary, ignore_errors=True)
        if full is not None:
            raise not_writable(destination, full) from error
        raise
