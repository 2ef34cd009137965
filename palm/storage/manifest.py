"""The manifest of an entry in the store: which files it has, and a digest that covers the list itself."""

import json
import re
from pathlib import Path

from palm.errors import DamagedError
from palm.storage.digest import value_digest

MANIFEST = "manifest.json"
"""Its name; it is written last, and what has none is no entry."""

_DIGEST = re.compile("[0-9a-f]{64}")


def manifest_text(files: dict[str, str]) -> str:
    """Write a manifest.

    Args:
        files: relative POSIX path to sha256.

    Returns:
        JSON.
    """
    return json.dumps({"files": files, "sha256": value_digest(files)}, indent=2)


def parse_manifest(text: str, place: str) -> dict[str, str]:
    """Read a manifest, and check it: a changed name or digest in it may look as good as the right one.

    Args:
        text: its text.
        place: where it is, for the error.

    Returns:
        Relative POSIX path to sha256.

    Raises:
        DamagedError: it is no manifest, is not what it says it is, or names a file outside of the entry.
    """
    try:
        content = dict(json.loads(text))
        # Entries made before a manifest had a digest of its own are a list of files and nothing else.
        files = dict(content["files"]) if isinstance(content.get("files"), dict) else content
        _check_files(files)
    except (ValueError, TypeError) as error:
        raise _damaged(place, f"is not a manifest ({error})") from error
    found = value_digest(files)
    if files is not content and content.get("sha256") != found:
        raise _damaged(place, f"sha256 of its files' list is {found}, it says {content.get('sha256')}")
    return files


def _check_files(files: dict) -> None:
    for name, digest in files.items():
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"{name} leads out of the entry")
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise ValueError(f"{name} has no sha256")


def _damaged(place: str, rule: str) -> DamagedError:
    return DamagedError(f"{place}/{MANIFEST}", rule=rule, remedy="delete this entry and run again")
