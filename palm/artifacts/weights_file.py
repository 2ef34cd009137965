"""Preference weights from a JSON file."""

from pathlib import Path

from palm.errors import DataError
from palm.storage.files import read_json


def read_weights(path: Path) -> list[list[float]]:
    """Read preference vectors, as they are in the file.

    Args:
        path: JSON file with a list of vectors, or an object with such a list under ``weights``, as
            `palm design --json` prints it.
    """
    content = read_json(path)
    rows = content.get("weights") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not all(isinstance(row, list) and all(map(_is_number, row)) for row in rows):
        raise DataError(
            str(path), rule="must hold a list of lists of numbers, or such a list under `weights`", remedy="fix it"
        )
    return rows


def _is_number(entry: object) -> bool:
    return isinstance(entry, (int, float)) and not isinstance(entry, bool)
