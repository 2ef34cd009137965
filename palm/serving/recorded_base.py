"""The base model that a portfolio only references: fetched, and held to the digests that were recorded."""

from pathlib import Path

from palm.errors import ModelError
from palm.models.source import fetch_model_files
from palm.storage.digest import folder_digests, value_digest


def fetch_recorded_base(spec: dict, destination: Path) -> None:
    """Fill a folder with a referenced base model and check the sha256 of every file.

    Args:
        spec: `base_model` of routing.json; its source is a hub id or an s3:// prefix.
        destination: an existing empty folder.

    Raises:
        ModelError: it cannot be had, or a file is not the recorded one.
        StorageError: S3 cannot be read.
    """
    fetch_model_files(spec["source"], destination, option="base_model.source")
    check_recorded_base(spec, destination)


def check_recorded_base(spec: dict, folder: Path) -> None:
    """Check the sha256 of every file of a base model.

    Args:
        spec: `base_model` of routing.json.
        folder: where it was brought to.

    Raises:
        ModelError: a file is missing, in excess or changed; the first one is named.
    """
    found = folder_digests(folder)
    if value_digest(found) == spec["sha256"]:
        return
    # Versions of earlier days hold the digest of all files only.
    recorded = spec.get("files", {})
    name = next((name for name in sorted({*recorded, *found}) if found.get(name) != recorded.get(name)), "")
    raise ModelError(
        f"base model file {spec['source']}/{name}",
        rule=f"sha256 is {found.get(name)}, recorded is {recorded.get(name)}",
        remedy="restore the model that was used, or build the portfolio again",
    )
