"""Files that are either whole or absent."""

import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from palm.errors import DataError, PalmError, StorageError

_NUMBERS = re.compile(r"\[\n\s*([-+.,\deE\s]+?)\s*\]")
"""A list of numbers as ``json.dumps`` indents it."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_ROOM_BYTES = 1 << 20
"""With less than this free on a disk, room is why an error came that gives no reason."""


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step: readers see the old content or the new, never a part.

    Args:
        path: destination; its folder is made if missing.
        text: the content.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _not_writable(path, error) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _not_writable(path, error) from error
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
        raise _not_writable(destination, error) from error
    try:
        yield temporary
        temporary.chmod(0o755)
        if destination.is_dir() and not any(destination.iterdir()):
            destination.rmdir()
        os.rename(temporary, destination)
    except BaseException as error:
        full = _lack_of_room(error, temporary)
        shutil.rmtree(temporary, ignore_errors=True)
        if full is not None:
            raise _not_writable(destination, full) from error
        raise


@contextmanager
def room_told() -> Iterator[None]:
    """Tell of files for which there was no room, whoever wrote them, in one line.

    Raises:
        StorageError: there was no room for a file.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise _not_writable(Path(str(error.filename2 or error.filename or "a file")), error) from error


def _lack_of_room(error: BaseException, folder: Path) -> OSError | None:
    """The lack of room behind an error of whoever wrote into a folder."""
    if isinstance(error, PalmError) or not isinstance(error, Exception):
        return None
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return error
    # Writers of weights have errors of their own, which do not all say why.
    full = shutil.disk_usage(folder).free < _NO_ROOM_BYTES
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if full else None


def _not_writable(path: Path, error: OSError) -> StorageError:
    remedy = "make room, or choose another place" if error.errno in _NO_ROOM else "choose another place"
    return StorageError(str(path), rule=f"cannot be written ({error.strerror})", remedy=remedy)
