"""Errors of files and object stores, as a `StorageError` of one line."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from palm.errors import PalmError, StorageError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_BELOW_BYTES = 1 << 20
"""With less free space, a full disk is the cause of an error that gives none."""


@contextlib.contextmanager
def storage_errors(
    place: str | Path,
    kinds: tuple[type[Exception], ...] = (OSError,),
    remedy: Callable[[Exception], str] = lambda error: "check the path, the free space and the permissions",
) -> Iterator[None]:
    """Raise a StorageError that names a place, for a message, instead of low-level errors of some kinds."""
    try:
        yield
    except kinds as error:
        raise StorageError(str(place), rule=f"cannot be read or written ({error})", remedy=remedy(error)) from error


@contextlib.contextmanager
def disk_full_errors() -> Iterator[None]:
    """Raise a StorageError instead of an OSError about a full disk, of any code; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        raise not_writable(Path(str(error.filename2 or error.filename or "a file")), error) from error


def not_writable(path: Path, error: OSError) -> StorageError:
    """The error about a path that cannot be written."""
    remedy = "free space on the disk, or choose another path" if error.errno in _DISK_FULL else "choose another path"
    return StorageError(str(path), rule=f"cannot be written ({error.strerror})", remedy=remedy)


def disk_full_cause(error: BaseException, folder: Path) -> OSError | None:
    """The full disk behind an error of code that wrote into a folder; None if there was another cause."""
    if isinstance(error, PalmError) or not isinstance(error, Exception):
        return None
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        return error
    # The errors of safetensors and torch are no OSErrors and do not always name the cause.
    full = shutil.disk_usage(folder).free < _FULL_BELOW_BYTES
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if full else None
