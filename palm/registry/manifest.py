"""Manifest of a registered version: every file that MLflow keeps of it, with its sha256.

Its digest stands in a tag of the version and, once the version was champion, in the promotion log. A signature of a
version is one of this digest.
"""

import marshal
import shutil
from collections.abc import Mapping
from importlib.util import cache_from_source
from pathlib import Path

from palm.errors import DamagedError, ModelError
from palm.storage.digest import folder_digests, value_digest
from palm.storage.files import write_text
from palm.storage.manifest import MANIFEST, manifest_text, parse_manifest

MANIFEST_TAG = "palm.manifest"
"""Tag of a version: the manifest's digest."""
ORIGIN = "registered_model_meta"
"""File with a version's name and number, which MLflow writes whenever it loads the version, even where that is kept."""
_BYTECODE = "__pycache__"
"""Folder that Python makes beside the version's code when MLflow imports it; palm never reads it."""
_HEADER = 16
"""Bytes before the code in a file of bytecode."""


def write_manifest(folder: Path) -> str:
    """Write the manifest of a version beside its files, and return its digest."""
    files = version_files(folder)
    write_text(folder / MANIFEST, manifest_text(files))
    return value_digest(files)


def version_files(folder: Path) -> dict[str, str]:
    """sha256 of every file of a version, by relative POSIX path, without the manifest and Python's bytecode."""
    return {
        name: digest
        for name, digest in folder_digests(folder).items()
        if name not in (MANIFEST, ORIGIN) and not name.startswith(f"{_BYTECODE}/")
    }


def remove_bytecode(folder: Path) -> None:
    """Remove what Python compiled from a version's code."""
    shutil.rmtree(folder / _BYTECODE, ignore_errors=True)


def check_bytecode(folder: Path, what: str) -> None:
    """Check that what this Python would run instead of a version's code is what that code compiles to.

    Raises:
        ModelError: it is something else.
    """
    for source in folder.glob("*.py"):
        cached = Path(cache_from_source(str(source)))
        if cached.exists() and not _is_compiled(cached, source):
            raise ModelError(
                f"{what}: file {_BYTECODE}/{cached.name}",
                rule=f"is not what {source.name} compiles to",
                remedy=f"delete {_BYTECODE}; if palm and Python were not changed since, somebody has put it there",
            )


def _is_compiled(cached: Path, source: Path) -> bool:
    try:
        code = marshal.loads(cached.read_bytes()[_HEADER:])
    except (ValueError, EOFError, TypeError):
        return False
    return code == compile(source.read_bytes(), str(source), "exec", dont_inherit=True)


def check_manifest(folder: Path, files: Mapping[str, str], what: str) -> bool:
    """Check the files of a version against the manifest beside them; False if it was registered without one.

    Raises:
        ModelError: a file is missing, changed or in excess, or the manifest is damaged.
    """
    path = folder / MANIFEST
    if not path.exists():
        return False
    try:
        recorded = parse_manifest(path.read_text(encoding="utf-8"), what)
    except (DamagedError, UnicodeDecodeError) as error:
        raise damaged(what, f"has a damaged {MANIFEST} ({error})") from error
    for name in sorted({*recorded, *files}):
        if files.get(name) != recorded.get(name):
            raise damaged(
                f"{what}: file {name}", f"sha256 is {files.get(name)}, recorded is {recorded.get(name, 'no such file')}"
            )
    return True


def damaged(what: str, rule: str) -> ModelError:
    """Error for files that are not those that were certified."""
    return ModelError(
        what, rule=rule, remedy="the registered version is damaged: serve another one, or build the portfolio again"
    )
