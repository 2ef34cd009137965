"""The manifest of an entry in the store: the digest of each file, and one of the list itself."""

import json
import re
from pathlib import Path

from palm.errors import DamagedError
from palm.storage.digest import value_digest

MANIFEST = "manifest.json"
"""Name of the file. It is written last: a folder without it is no entry."""
_DIGEST = re.compile("[0-9a-f]{64}")


def manifest_text(files: dict[str, str]) -> str:
    """The JSON text of a manifest, given relative POSIX path to sha256."""
    return json.dumps({"files": files, "sha256": value_digest(files)}, indent=2)


def parse_manifest(text: str, place: str) -> dict[str, str]:
    """Read and check a manifest: one changed character may leave valid JSON with another name or digest.

    Returns:
        Relative POSIX path to sha256.

    Raises:
        DamagedError: it is malformed, differs from its own digest, or names a file outside of the entry.
    """
    try:
        content = dict(json.loads(text))
        # A manifest of an older palm is the mapping of files alone, without a digest.
        files = dict(content["files"]) if isinstance(content.get("files"), dict) else content
        for name, digest in files.items():
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise ValueError(f"{name} leads out of the entry")
            if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
                raise ValueError(f"{name} has no sha256")
        found = value_digest(files)
        if files is not content and content.get("sha256") != found:
            raise ValueError(f"sha256 of its files' list is {found}, it says {content.get('sha256')}")
    except (ValueError, TypeError) as error:
        raise DamagedError(
            f"{place}/{MANIFEST}", rule=f"is no valid manifest ({error})", remedy="delete this entry and run again"
        ) from error
    return files
