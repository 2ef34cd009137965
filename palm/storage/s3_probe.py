"""The probe of an S3 store: it does with a small object all that the work does with large ones.

Stores that call themselves compatible lack parts of S3, and some ignore a header instead of refusing it.
"""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from palm.errors import StorageError

if TYPE_CHECKING:
    from palm.storage.s3_backend import S3Backend

PROBE = ".palm-probe"
"""Folder of the objects that the probe writes and removes."""
_CONTENT = b"palm"


def probe_store(backend: "S3Backend") -> None:
    """Write, read, list and remove a probe; StorageError names what the store refuses or does wrong."""
    name = f"{PROBE}/{secrets.token_hex(8)}"
    with TemporaryDirectory() as scratch, _removed(backend, name):
        _check_conditional_write(backend, name)
        _check_transfer_in_parts(backend, name, Path(scratch))
    if backend.read(name) is not None:
        raise _lacking(backend, "an object can still be read after its removal", "allow deletions")


def no_conditional_writes(place: str, found: str) -> StorageError:
    """The error about a store without conditional writes, on which publishers of the same entry rely."""
    return StorageError(
        place,
        rule=f"the store has no conditional writes (If-None-Match: *): {found}, so of several workers the last one "
        "would replace what the first one made",
        remedy="update the store, or use one that has them, or a folder",
    )


def _check_conditional_write(backend: "S3Backend", name: str) -> None:
    # Without the header first: whatever else the store refuses is told by this write.
    backend.write(name, _CONTENT)
    backend.remove(name)
    backend.create(name, _CONTENT)
    if backend.create(name, _CONTENT[::-1]) or backend.read(name) != _CONTENT:
        raise no_conditional_writes(f"{backend.root}/{name}", "it ignores the header")


def _check_transfer_in_parts(backend: "S3Backend", name: str, scratch: Path) -> None:
    content, copy = scratch / "content", scratch / "copy"
    content.write_bytes(_CONTENT * 2)
    backend.upload({name: content}, in_parts=True)
    backend.download({copy: name}, in_parts=True)
    if not copy.exists() or copy.read_bytes() != _CONTENT * 2:
        raise _lacking(backend, "a download in ranges differs from what was uploaded", "update the store or its proxy")
    if name not in (file.name for file in backend.files(PROBE)):
        raise _lacking(backend, "an object is not listed after it was written", "use a store that lists at once")


def _lacking(backend: "S3Backend", rule: str, remedy: str) -> StorageError:
    return StorageError(f"{backend.root}/{PROBE}", rule=rule, remedy=remedy)


@contextlib.contextmanager
def _removed(backend: "S3Backend", name: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        # The first failure is the cause.
        with contextlib.suppress(StorageError):
            backend.remove(name)
        raise
    backend.remove(name)
