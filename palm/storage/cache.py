"""The cache of downloads in the user's home, shared by all processes, so that no step of a build repeats one.

What is in it may be code. So its folder belongs to the user and is open to nobody else, and what was downloaded is
compared, at every use, with the digests that were taken then.
"""

import errno
import json
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from palm.errors import StorageError
from palm.storage.digest import folder_digests, value_digest
from palm.storage.files import new_folder, write_json

_CONTENT, _DIGESTS = "content", "digests.json"
_REMEDY = "set XDG_CACHE_HOME to a folder of your own that can be written"

log = logging.getLogger(__name__)


def cached_folder(definition: object, fill: Callable[[Path], None]) -> Path:
    """A folder that is downloaded once, and again if it was changed since.

    Args:
        definition: a JSON-able value that identifies the content.
        fill: downloads into a given empty folder.

    Returns:
        The folder, below ``$XDG_CACHE_HOME/palm`` or ``~/.cache/palm``; it is read only.

    Raises:
        StorageError: the cache cannot be written, or belongs to somebody else.
    """
    folder = _own_root() / value_digest(definition)[:32]
    if folder.exists() and not _is_unchanged(folder):
        log.warning("%s was changed since its download: it is downloaded again", folder)
        _put_aside(folder)
    if not folder.exists():
        _download(folder, fill)
    return folder / _CONTENT


def _own_root() -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "palm" / "downloads"
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        root.mkdir(mode=0o700, exist_ok=True)
        if root.stat().st_uid == os.geteuid() and _others_may(root):
            # Kubernetes opens the folders of a volume to the pod's group.
            root.chmod(0o700)
        tempfile.TemporaryFile(dir=root).close()
        owner = root.stat().st_uid
    except OSError as error:
        raise StorageError(f"cache {root}", rule=f"cannot be written ({error.strerror})", remedy=_REMEDY) from error
    if owner != os.geteuid() or _others_may(root):
        raise StorageError(
            f"cache {root}",
            rule=f"belongs to user {owner} and has mode {stat.S_IMODE(root.stat().st_mode):o}, so others could put "
            f"code into it; it must belong to user {os.geteuid()} alone (700)",
            remedy=_REMEDY,
        )
    return root


def _others_may(folder: Path) -> bool:
    return bool(folder.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _is_unchanged(folder: Path) -> bool:
    """Whether a download is what it was, apart from bytecode that Python has written into it."""
    try:
        recorded = json.loads((folder / _DIGESTS).read_text(encoding="utf-8"))
        return recorded == source_digests(folder / _CONTENT)
    except (OSError, ValueError):
        return False


def source_digests(folder: Path) -> dict[str, str]:
    """Digests as `folder_digests` of a folder, without bytecode that Python writes beside its sources."""
    return folder_digests(folder, without="__pycache__")


def _put_aside(folder: Path) -> None:
    """Remove a folder at once for others, of whom one may have done so already."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".changed.", ignore_cleanup_errors=True) as name:
        try:
            folder.rename(Path(name) / folder.name)
        except FileNotFoundError:
            return
        shutil.rmtree(name, ignore_errors=True)


def _download(folder: Path, fill: Callable[[Path], None]) -> None:
    try:
        with new_folder(folder) as temporary:
            (temporary / _CONTENT).mkdir()
            fill(temporary / _CONTENT)
            write_json(temporary / _DIGESTS, source_digests(temporary / _CONTENT))
    except OSError as error:
        # Another process was first, with the same content.
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
