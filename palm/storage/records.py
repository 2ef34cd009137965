"""Small JSON records that are written over: what happens in a build, while it happens."""

import json
from pathlib import Path

from palm.errors import DamagedError
from palm.storage.files import json_text, write_text
from palm.storage.s3 import s3_folders, s3_keys, s3_read, s3_upload, s3_write, split_s3, told


class Records:
    """Records below one root.

    Args:
        root: a folder path or ``s3://bucket/prefix``, e.g. ``storage.root``.
    """

    def __init__(self, root: str):
        self.root = root.rstrip("/")

    def write(self, name: str, record: dict) -> None:
        """Write a record, in place of the one that has this name.

        Args:
            name: relative path, e.g. ``builds/1/outcome``.
            record: JSON-able.

        Raises:
            StorageError: the root cannot be written.
        """
        place = f"{self.root}/{name}.json"
        text = json_text(record) + "\n"
        with told(place):
            if self.root.startswith("s3://"):
                s3_write(place, text.encode())
            else:
                write_text(Path(place), text)

    def read(self, name: str) -> dict | None:
        """Read a record.

        Args:
            name: as in `write`.

        Returns:
            The record; None if there is none.

        Raises:
            DamagedError: it is not JSON.
            StorageError: the root cannot be read.
        """
        place = f"{self.root}/{name}.json"
        with told(place):
            text = _read_s3(place) if self.root.startswith("s3://") else _read_file(Path(place))
        return None if text is None else _parse(text, place)

    def write_file(self, name: str, path: Path) -> None:
        """Keep a file, in place of the one that has this name.

        Args:
            name: relative path, e.g. ``builds/1/report.html``.
            path: the file.

        Raises:
            StorageError: the root cannot be written.
        """
        place = f"{self.root}/{name}"
        with told(place):
            if self.root.startswith("s3://"):
                s3_upload({place: path})
            else:
                write_text(Path(place), path.read_text(encoding="utf-8"))

    def read_file(self, name: str, destination: Path) -> bool:
        """Copy a text file that `write_file` has kept.

        Args:
            name: as in `write_file`.
            destination: the copy.

        Returns:
            Whether there is such a file.

        Raises:
            StorageError: the root cannot be read.
        """
        place = f"{self.root}/{name}"
        with told(place):
            text = _read_s3(place) if self.root.startswith("s3://") else _read_file(Path(place))
        if text is not None:
            write_text(destination, text)
        return text is not None

    def read_all(self, folder: str) -> list[dict]:
        """Read all records directly in a folder.

        Args:
            folder: relative path.

        Returns:
            The records, in the order of their names.

        Raises:
            DamagedError: one is not JSON.
            StorageError: the root cannot be read.
        """
        return [record for name in self._names(folder) if (record := self.read(f"{folder}/{name}")) is not None]

    def folders(self, folder: str) -> list[str]:
        """List the folders directly in a folder.

        Args:
            folder: relative path.

        Returns:
            Their names, sorted; none if there is no such folder.

        Raises:
            StorageError: the root cannot be read.
        """
        place = f"{self.root}/{folder}"
        with told(place):
            if self.root.startswith("s3://"):
                return sorted(s3_folders(place))
            if not Path(self.root).is_dir():
                raise FileNotFoundError("there is no such folder")
            if not Path(place).is_dir():
                return []
            return sorted(path.name for path in Path(place).iterdir() if path.is_dir())

    def _names(self, folder: str) -> list[str]:
        place = f"{self.root}/{folder}"
        with told(place):
            if self.root.startswith("s3://"):
                _, prefix = split_s3(place)
                names = [key.removeprefix(f"{prefix}/") for key in s3_keys(place)]
            else:
                names = [path.name for path in Path(place).glob("[!.]*.json")]
        return sorted(name.removesuffix(".json") for name in names if name.endswith(".json") and "/" not in name)


def _read_file(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _read_s3(place: str) -> str | None:
    content = s3_read(place)
    return None if content is None else content.decode(errors="replace")


def _parse(text: str, place: str) -> dict:
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise DamagedError(place, rule=f"is not a JSON object ({error})", remedy="delete it and run again") from error
