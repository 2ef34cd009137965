"""Files of an example: configuration, rewards, data."""

import shutil
from importlib import import_module, resources
from pathlib import Path

from palm.errors import DataError
from palm.storage.files import new_folder

_COPIED = ("portfolio.yaml", "rewards.py", "README.md")


def copy_example(name: str, directory: Path, data: Path | None) -> None:
    """Make a folder to start from an example.

    Args:
        directory: folder to make; must not exist or be empty.
        data: folder with the raw data of the example, if it needs any.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise DataError(f"directory={directory}", rule="already holds files", remedy="choose a new folder")
    source = resources.files("palm.examples") / name
    with new_folder(directory.resolve()) as folder:
        for file in _COPIED:
            with resources.as_file(source / file) as path:
                shutil.copyfile(path, folder / file)
        import_module(f"palm.examples.{name}.prepare").prepare(folder, data)
