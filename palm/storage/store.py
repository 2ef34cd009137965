"""The store: folders of finished work, named by the definition of their content.

An entry becomes visible only when complete: its files are written first and `manifest.json`, which holds the sha256 of
each, last. What is fetched is checked against it. Of several workers that publish the same entry the first one wins.
"""

import contextlib
import shutil
from fnmatch import fnmatch
from pathlib import Path

from palm.errors import DamagedError
from palm.storage.backend import open_backend
from palm.storage.digest import folder_digests
from palm.storage.errors import storage_errors
from palm.storage.manifest import MANIFEST, manifest_text, parse_manifest


class Store:
    """Entries below a root as for `open_backend`; every method may raise a StorageError. A key is an entry's name."""

    def __init__(self, root: str):
        self.root = root.rstrip("/")
        self._backend = open_backend(root)

    def check_writable(self) -> None:
        """Write and remove a probe."""
        self._backend.check_writable()

    def fetch(self, key: str, destination: Path, *, only: str = "*") -> bool:
        """Copy an entry into a folder and check the digests of its files.

        Args:
            destination: a folder that does not exist or is empty; unchanged if the entry does not exist.
            only: pattern of the names of the files that are copied, e.g. ``*.json``.

        Returns:
            Whether the entry exists; False also if it was removed while it was copied.

        Raises:
            DamagedError: a file of the entry is missing, truncated or changed.
        """
        place = f"{self.root}/{key}"
        earlier = None
        while (text := self._manifest(key)) is not None:
            files = {name: digest for name, digest in parse_manifest(text, place).items() if fnmatch(name, only)}
            with storage_errors(place), contextlib.ExitStack() as on_failure:
                on_failure.callback(_clear, destination, existed=destination.is_dir())
                destination.mkdir(parents=True, exist_ok=True)
                self._copy(key, files, destination)
                damage = _damage(place, files, destination)
                if damage is None:
                    on_failure.pop_all()
                    return True
            # Another process may be removing or replacing the entry; real damage is found again with the same manifest.
            if text == earlier:
                raise damage
            earlier = text
        return False

    def has(self, key: str) -> bool:
        """Whether there is a complete entry."""
        return self._manifest(key) is not None

    def entries(self, prefix: str) -> list[str]:
        """The complete entries directly below a prefix: the last parts of their names, sorted."""
        names = (file.name.removeprefix(f"{prefix}/").split("/") for file in self._backend.files(prefix))
        return sorted(parts[0] for parts in names if parts[1:] == [MANIFEST] and not parts[0].startswith("."))

    def remove(self, prefix: str) -> None:
        """Remove one entry, or all below a prefix; an entry ceases to exist before its files do."""
        self._backend.remove(prefix)

    def publish(self, key: str, folder: Path) -> bool:
        """Make a folder's files an entry, unless the entry exists.

        Returns:
            Whether the entry has these files; False if another worker published others first.
        """
        with storage_errors(f"{self.root}/{key}"):
            digests = folder_digests(folder)
        files = {self._backend.stored_name(name, digest): folder / name for name, digest in digests.items()}
        return self._backend.publish(key, files, manifest_text(digests).encode())

    def _manifest(self, key: str) -> str | None:
        content = self._backend.read(f"{key}/{MANIFEST}")
        return None if content is None else content.decode(errors="replace")

    def _copy(self, key: str, files: dict[str, str], destination: Path) -> None:
        """Copy an entry's files; `_damage` finds those that are missing."""
        for name in files:
            (destination / name).parent.mkdir(parents=True, exist_ok=True)
        self._backend.download(
            {destination / name: f"{key}/{self._backend.stored_name(name, digest)}" for name, digest in files.items()}
        )


def _clear(folder: Path, *, existed: bool) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if existed:
        folder.mkdir(exist_ok=True)


def _damage(place: str, files: dict[str, str], folder: Path) -> DamagedError | None:
    """The first difference between the copy of an entry and its manifest."""
    found = folder_digests(folder)
    for name, digest in files.items():
        if found.get(name) != digest:
            return DamagedError(
                f"{place}/{name}",
                rule=f"sha256 is {found.get(name)}, the manifest says {digest}",
                remedy="the stored file is damaged: delete this entry and run again",
            )
    return None
