"""Work named by what defines it: done once, then fetched from the store."""

import shutil
from collections.abc import Callable
from pathlib import Path

from palm.build_record import mark_use
from palm.errors import StorageError
from palm.storage.digest import value_digest
from palm.storage.files import new_folder
from palm.storage.store import Store


def reuse_or_make(store: Store, kind: str, definition, destination: Path, make: Callable[[Path], None]) -> bool:
    """Fetch the folder that a definition stands for, or make it and publish it.

    Args:
        store: where finished work is kept.
        kind: what it is, e.g. ``rollouts``; the entry's name is ``kind-`` and 12 digits of the definition's sha256.
        definition: JSON-able, everything that the content depends on.
        destination: folder to fill; appears whole or not at all.
        make: fills a given empty folder.

    Returns:
        Whether it was reused.

    Raises:
        StorageError: the store fails.
    """
    key = f"{kind}-{value_digest(definition)[:12]}"
    mark_use(store.root, key)
    with new_folder(destination) as folder:
        if store.fetch(key, folder):
            return True
        make(folder)
        if not store.publish(key, folder):
            # Another worker was first: everybody goes on with the same bytes.
            for path in list(folder.iterdir()):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            if not store.fetch(key, folder):
                raise StorageError(
                    f"{store.root}/{key}", rule="was removed while it was made", remedy="run again, without removing"
                )
        return False
