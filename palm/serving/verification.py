"""Verification of a portfolio folder and of its base model by sha256; no model is loaded."""

import shutil
from pathlib import Path

from palm.artifacts.routing import RecordedBase, Routing
from palm.errors import ModelError
from palm.models.chat import TEMPLATE
from palm.models.source import fetch_model_files
from palm.storage.digest import folder_digests, value_digest


def verify_portfolio(folder: Path) -> Routing:
    """Check the sha256 of every file of a portfolio folder.

    Raises:
        DataError: routing.json is missing or malformed.
        ModelError: a file is missing or its sha256 is not the recorded one.
    """
    routing = Routing.read(folder / Routing.FILE)
    found = folder_digests(folder)
    for name, digest in routing.sha256.items():
        if found.get(name) != digest:
            raise ModelError(
                f"portfolio file {name}",
                rule=f"sha256 is {found.get(name)}, recorded is {digest}",
                remedy="the registered version is damaged: register the portfolio again",
            )
    return routing


def portfolio_folder(download: Path, what: str) -> Path:
    """The portfolio folder in a downloaded version; ModelError if it is not a portfolio."""
    found = next(download.rglob(Routing.FILE), None)
    if found is None:
        raise ModelError(what, rule=f"has no {Routing.FILE}", remedy="choose a version that palm has registered")
    return found.parent


def fetch_recorded_base(base: RecordedBase, portfolio: Path, destination: Path) -> None:
    """Download a base model and check the sha256 of every file.

    Args:
        base: its source is a hub id or an s3:// prefix.
        portfolio: portfolio folder, whose chat template, if there is one, replaces the source's.

    Raises:
        ModelError: it cannot be downloaded, or a file is not the recorded one.
    """
    fetch_model_files(base.source, destination, option="base_model.source")
    if (portfolio / TEMPLATE).exists():
        shutil.copyfile(portfolio / TEMPLATE, destination / TEMPLATE)
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
