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
    """Name of an entry of the store: ``kind-`` and 12 digits of the sha256 of its definition, which is JSON-able."""
    return f"{kind}-{value_digest(definition)[:12]}"


@contextmanager
def fetched(root: str, *names: str) -> Iterator[list[Path]]:
    """Temporary folders with copies of entries, every file checked against the store's digests."""
    with tempfile.TemporaryDirectory() as scratch:
        yield [fetch_entry(root, name, Path(scratch) / name) for name in names]


def fetch_entry(root: str, name: str, destination: Path, *, only: str = "*") -> Path:
    """Fetch an entry that must be in the store, and mark that the present build uses it; returns the destination.

    Args:
        only: pattern of the file names that are fetched, e.g. ``*.json``.
    """
    store = Store(root)
    mark_use(store.root, name)
    with new_folder(destination) as folder:
        if not store.fetch(name, folder, only=only):
            raise StorageError(f"{store.root}/{name}", rule="does not exist any more", remedy="run the build again")
    return destination


def keep_folder(store: Store, kind: str, folder: Path) -> str:
    """Keep a folder in the store under a name made from its files; returns the name (`entry_name`)."""
    name = entry_name(kind, folder_digests(folder))
    mark_use(store.root, name)
    if not store.has(name):
        store.publish(name, folder)
    return name


def reuse_or_make(store: Store, kind: str, definition: Any, destination: Path, make: Callable[[Path], None]) -> bool:
    """Fetch the entry of a definition, or make and publish it; returns whether it was reused.

    Args:
        definition: JSON-able, everything that the content depends on.
        destination: folder to fill; appears whole or not at all.
        make: fills a given empty folder.
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
