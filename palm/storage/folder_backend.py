"""The backend over a local folder."""

import contextlib
import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

from palm.storage.errors import storage_errors
from palm.storage.files import write_bytes
from palm.storage.inventory import StoredFile, UnfinishedUpload
from palm.storage.manifest import MANIFEST


class FolderBackend:
    """Files below a folder, which is made when the first one is written."""

    def __init__(self, root: str):
        self._root = Path(root)

    def read(self, name: str) -> bytes | None:
        path = self._root / name
        with storage_errors(path):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def write(self, name: str, content: bytes) -> None:
        write_bytes(self._root / name, content)

    def files(self, below: str = "") -> list[StoredFile]:
        found = []
        with storage_errors(self._root / below):
            for folder, folders, files in os.walk(self._root / below, onerror=_raise_unless_missing):
                names = [(name, "") for name in files] if files or folders else [("", "/")]
                for name, slash in names:
                    path = Path(folder) / name
                    with contextlib.suppress(FileNotFoundError):
                        state = path.lstat()
                        shown = path.relative_to(self._root).as_posix() + slash
                        found.append(StoredFile(shown, 0 if slash else state.st_size, state.st_mtime))
        return found

    def folders(self, below: str) -> list[str]:
        place = self._root / below
        with storage_errors(place):
            # A root that is not mounted is not an empty one.
            if not self._root.is_dir():
                raise FileNotFoundError(f"there is no folder {self._root}")
            return sorted(path.name for path in place.iterdir() if path.is_dir()) if place.is_dir() else []

    def remove(self, name: str) -> None:
        path = self._root / name
        with storage_errors(path):
            if path.is_file():
                path.unlink(missing_ok=True)
                return
            if not path.name.startswith("."):
                path = _hide(path)
            shutil.rmtree(path, ignore_errors=True)

    def stored_name(self, name: str, digest: str) -> str:
        # An entry's file of this name would be replaced by the entry's own manifest.
        return f"sha256-{digest}" if name == MANIFEST else name

    def publish(self, key: str, files: Mapping[str, Path], manifest: bytes) -> bool:
        place = self._root / key
        with storage_errors(place):
            self._root.mkdir(parents=True, exist_ok=True)
            # Not beside the entry, where the removal of its prefix would remove it too.
            temporary = Path(tempfile.mkdtemp(dir=self._root, prefix=f".{place.name}."))
            try:
                for name, path in files.items():
                    (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, temporary / name)
                (temporary / MANIFEST).write_bytes(manifest)
                temporary.chmod(0o755)
                while not _renamed(temporary, place):
                    published = self.read(f"{key}/{MANIFEST}")
                    if published is not None:
                        return published == manifest
                    # What a killed removal has left.
                    shutil.rmtree(_hide(place), ignore_errors=True)
                return True
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

    def download(self, files: Mapping[Path, str]) -> set[Path]:
        missing = set()
        for path, name in files.items():
            with storage_errors(self._root / name):
                try:
                    shutil.copyfile(self._root / name, path)
                except FileNotFoundError:
                    missing.add(path)
        return missing

    def check_writable(self) -> None:
        with storage_errors(self._root):
            parent = next(place for place in (self._root, *self._root.parents) if place.exists())
            tempfile.TemporaryFile(dir=parent).close()

    def unfinished_uploads(self) -> list[UnfinishedUpload]:
        return []

    def abort(self, name: str, upload: str) -> None:
        """Nothing: writes to a folder leave no uploads."""


def _renamed(temporary: Path, place: Path) -> bool:
    """Rename a folder; False if there is another one, or if the parent was removed meanwhile."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        os.rename(temporary, place)
        return True
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT) or not temporary.is_dir():
            raise
        return False


def _hide(path: Path) -> Path:
    """Rename a folder, so that it ceases to exist for others at once; several may do it at the same time."""
    hidden = path.with_name(f".{path.name}.removed-{os.getpid()}-{threading.get_ident()}")
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, hidden)
    return hidden


def _raise_unless_missing(error: OSError) -> None:
    """A folder may be removed while the tree is walked; after another error part of the tree would be missed."""
    if not isinstance(error, FileNotFoundError):
        raise error
