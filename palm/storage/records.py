"""Records: small JSON files about a running build, which are overwritten while it runs."""

import json
from pathlib import Path

from palm.errors import DamagedError
from palm.storage.backend import open_backend
from palm.storage.errors import storage_errors
from palm.storage.files import json_text, write_bytes


class Records:
    """Records below a root as for `open_backend`, under relative paths such as ``builds/1/outcome``.

    Every method may raise a StorageError; those that read, a DamagedError for what is no JSON object.
    """

    def __init__(self, root: str):
        self.root = root.rstrip("/")
        self._backend = open_backend(root)

    def write(self, name: str, record: dict) -> None:
        """Write a record, or replace the one of this name."""
        self._backend.write(f"{name}.json", f"{json_text(record)}\n".encode())

    def read(self, name: str) -> dict | None:
        """Read a record; None if it does not exist; DamagedError if it is not JSON."""
        content = self._backend.read(f"{name}.json")
        if content is None:
            return None
        try:
            return dict(json.loads(content.decode(errors="replace")))
        except (ValueError, TypeError) as error:
            raise DamagedError(
                f"{self.root}/{name}.json", rule=f"is not a JSON object ({error})", remedy="delete it and run again"
            ) from error

    def write_file(self, name: str, path: Path) -> None:
        """Store a copy of a small file under a relative path, or replace the one that is there."""
        with storage_errors(path):
            content = path.read_bytes()
        self._backend.write(name, content)

    def read_file(self, name: str, destination: Path) -> bool:
        """Copy a file that `write_file` has stored; returns whether it exists."""
        content = self._backend.read(name)
        if content is not None:
            write_bytes(destination, content)
        return content is not None

    def read_all(self, folder: str) -> list[dict]:
        """Read all records directly in a folder, in the order of their names."""
        names = (file.name.removeprefix(f"{folder}/") for file in self._backend.files(folder))
        own = sorted(name.removesuffix(".json") for name in names if name.endswith(".json") and "/" not in name)
        return [record for name in own if (record := self.read(f"{folder}/{name}")) is not None]

    def folders(self, folder: str) -> list[str]:
        """Names of the folders directly in a folder, sorted; none if it does not exist."""
        return self._backend.folders(folder)
