"""Verification of a portfolio folder and of its base model by sha256; no model is loaded."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from palm.artifacts.routing import RecordedBase, Routing
from palm.errors import ModelError
from palm.models.chat import TEMPLATE
from palm.models.source import fetch_model_files
from palm.storage.digest import copy_with_digest, folder_digests, value_digest
from palm.storage.files import read_json


def verify_portfolio(folder: Path, found: Mapping[str, str] | None = None) -> Routing:
    """Check the sha256 of every file of a portfolio folder, and that its models have no files in excess.

    Args:
        found: sha256 of every file that is there, by name; None: they are read.

    Raises:
        DataError: routing.json is missing or malformed.
        ModelError: a file is missing, changed or in excess.
    """
    found = folder_digests(folder) if found is None else found
    routing = _read_routing(folder, found.get(Routing.FILE))
    # Files beside the models are read by nobody.
    models = tuple(f"{place}/" for place in routing.model_folders)
    excess = [name for name in found if name.startswith(models) and name not in routing.sha256]
    for name in (*routing.sha256, *excess):
        if found.get(name) != routing.sha256.get(name):
            raise _changed(name, found.get(name), routing.sha256.get(name))
    return routing


@contextmanager
def private_copy(folder: Path, files: Mapping[str, str]) -> Iterator[Path]:
    """A copy of files, which nobody else can change, during the block; each is checked as it is copied.

    Weights are mapped into memory where there is no GPU, so a check of the originals would not last.

    Args:
        files: name relative to the folder to sha256; no other file is copied.

    Raises:
        ModelError: a file is missing or changed.
    """
    with TemporaryDirectory(prefix="palm-model-") as name:
        for file, recorded in files.items():
            place = Path(name) / file
            place.parent.mkdir(parents=True, exist_ok=True)
            found = copy_with_digest(folder / file, place) if (folder / file).is_file() else None
            if found != recorded:
                raise _changed(file, found, recorded)
        yield Path(name)


def _read_routing(folder: Path, digest: str | None) -> Routing:
    """The routing table whose sha256 was found: the file may be replaced between two readings."""
    if digest is None:
        return Routing.read(folder / Routing.FILE)
    with private_copy(folder, {Routing.FILE: digest}) as copy:
        return Routing.parse(read_json(copy / Routing.FILE), str(folder / Routing.FILE))


def _changed(name: str, found: str | None, recorded: str | None) -> ModelError:
    return ModelError(
        f"portfolio file {name}",
        rule=f"sha256 is {found}, recorded is {recorded or 'no such file'}",
        remedy="the registered version is damaged: serve another one, or build the portfolio again",
    )


def fetch_recorded_base(base: RecordedBase, portfolio: Path, destination: Path) -> None:
    """Download the recorded files of a base model and check their sha256; its source may hold others by now.

    Args:
        base: its source is a hub id or an s3:// prefix.
        portfolio: portfolio folder, whose chat template, if there is one, replaces the source's.

    Raises:
        ModelError: it cannot be downloaded, or a file is not the recorded one.
    """
    # What was put beside the model since is no part of it; a template that palm has changed is in the portfolio.
    own = {TEMPLATE} if (portfolio / TEMPLATE).exists() else set()
    recorded = base.files.keys() - own or None
    fetch_model_files(base.source, destination, option="base_model.source", recorded=recorded)
    for name in own:
        shutil.copyfile(portfolio / name, destination / name)
    check_recorded_base(base, destination)


def check_recorded_base(base: RecordedBase, folder: Path) -> None:
    """Check the sha256 of every file of a base model.

    Raises:
        ModelError: a file is missing, additional or changed; the first one is named.
    """
    found = folder_digests(folder)
    if value_digest(found) == base.sha256:
        return
    name = next((name for name in sorted({*base.files, *found}) if found.get(name) != base.files.get(name)), "")
    raise ModelError(
        f"base model file {base.source}/{name}",
        rule=f"sha256 is {found.get(name)}, recorded is {base.files.get(name)}",
        remedy="restore the model that was used, or build the portfolio again",
    )
