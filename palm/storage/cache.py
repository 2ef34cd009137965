"""The cache of downloads in the user's home, shared by all processes, so that no step of a build repeats a download."""

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from palm.errors import StorageError
from palm.storage.digest import value_digest
from palm.storage.files import new_folder


def cached_folder(definition: object, fill: Callable[[Path], None]) -> Path:
    """A folder that is downloaded once.

    Args:
        definition: a JSON-able value that identifies the content.
        fill: downloads into a given empty folder.

    Returns:
        The folder, in ``$XDG_CACHE_HOME/palm`` or ``~/.cache/palm``; it is read only.

    Raises:
        StorageError: the cache cannot be written.
    """
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "palm"
    folder = root / value_digest(definition)[:32]
    if folder.is_dir():
        return folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=root).close()
    except OSError as error:
        raise StorageError(
            f"cache {root}",
            rule=f"cannot be written ({error.strerror})",
            remedy="set XDG_CACHE_HOME to a writable folder",
        ) from error
    try:
        with new_folder(folder) as temporary:
            fill(temporary)
    except OSError as error:
        # Another process was first, with the same content.
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    return folder
