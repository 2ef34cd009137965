"""Reuse of work: named by its definition, done once, then fetched from the store."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from palm.builds.records import mark_use
from palm.errors import StorageError
from palm.storage.digest import folder_digests, value_digest
from palm.storage.files import new_folder
from palm.storage.store import Store


def entry_name(kind: str, definition: Any) -> str:
    """Name of an entry of the store: ``kind-`` and 12 digits of the definition's sha256.

    Args:
        kind: e.g. ``rollouts``.
        definition: JSON-able, everything that the content depends on.
    """
    return f"{kind}-{value_digest(definition)[:12]}"


@contextmanager
def fetched(root: str, *names: str) -> Iterator[list[Path]]:
    """Temporary copies of entries.

    Yields:
        A folder for each, every file checked against the store's digests.

    Raises:
        StorageError: an entry does not exist, is damaged, or the store fails.
    """
    with tempfile.TemporaryDirectory() as scratch:
        yield [fetch_entry(root, name, Path(scratch) / name) for name in names]


def fetch_entry(root: str, name: str, destination: Path, *, only: str = "*") -> Path:
    """Fetch an entry that must be in the store, and mark that the present build uses it.

    Args:
        only: pattern of the file names that are fetched, e.g. ``*.json``.

    Returns:
        The destination.

    Raises:
        StorageError: it does not exist, is damaged, or the store fails.
    """
    store = Store(root)
    mark_use(store.root, name)
    with new_folder(destination) as folder:
        if not store.fetch(name, folder, only=only):
            raise StorageError(f"{store.root}/{name}", rule="does not exist any more", remedy="run the build again")
    return destination


def keep_folder(store: Store, kind: str, folder: Path) -> str:
    """Keep a folder in the store under a name made from its files.

    Args:
        kind: e.g. ``policy``.

    Returns:
        The entry's name (`entry_name`).
    """
    name = entry_name(kind, folder_digests(folder))
    mark_use(store.root, name)
    if not store.has(name):
        store.publish(name, folder)
    return name


def reuse_or_make(store: Store, kind: str, definition: Any, destination: Path, make: Callable[[Path], None]) -> bool:
    """Fetch the entry of a definition, or make and publish it.

    Args:
        kind: e.g. ``rollouts``; see `entry_name`.
        definition: JSON-able, everything that the content depends on.
        destination: folder to fill; appears whole or not at all.
        make: fills a given empty folder.

    Returns:
        Whether it was reused.
    """
    key = entry_name(kind, definition)
    mark_use(store.root, key)
    with new_folder(destination) as folder:
        if store.fetch(key, folder):
            return True
        make(folder)
        if not store.publish(key, folder):
            # Another worker was first: all go on with its bytes.
            for path in list(folder.iterdir()):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            if not store.fetch(key, folder):
                raise StorageError(
                    f"{store.root}/{key}", rule="was removed while it was made", remedy="run again, without removing"
                )
        return False
