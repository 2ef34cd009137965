"""Files that are either whole or absent."""

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
"""A list of numbers as ``json.dumps`` indents it."""


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step: readers see the old content or the new one, never a part.

    Args:
        path: destination; its folder is made if missing.
        text: the content.

    Raises:
        StorageError: it cannot be written.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file as `write_text` does."""
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


def write_json(path: Path, value) -> None:
    """Write a JSON file in one step.

    Args:
        path: destination.
        value: JSON-able; NaN and infinities are refused.
    """
    write_text(path, json_text(value) + "\n")


def json_text(value) -> str:
    """Write a value as JSON that a person and a diff can read: every list of numbers is on one line of its own.

    Args:
        value: JSON-able; NaN and infinities are refused.

    Returns:
        The text, without a line break at its end.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    # Strings hold no raw line breaks, so a bracket before one always opens a list.
    return _NUMBERS.sub(_on_one_line, json.dumps(value, indent=2, allow_nan=False))


def _on_one_line(numbers: re.Match) -> str:
    return "[" + " ".join(numbers[1].split()) + "]"


def read_json(path: Path) -> dict:
    """Read a JSON file that another step wrote.

    Args:
        path: the file.

    Returns:
        Its content.

    Raises:
        DataError: it is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(
            str(path), rule=f"cannot be read as JSON ({error})", remedy="give the file that the earlier step wrote"
        ) from error


@contextmanager
def new_folder(destination: Path) -> Iterator[Path]:
    """A folder that appears at its destination only when the block ends without an error.

    Args:
        destination: a path that does not exist, or an empty folder.

    Yields:
        A temporary folder beside the destination, to be filled.

    Raises:
        StorageError: it cannot be made, or there was no room for what the block wrote.
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
