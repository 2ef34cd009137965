"""The files of a classifier from a folder, the model hub or S3."""

import logging
from pathlib import Path

from palm.config.rewards import Classifier
from palm.errors import RewardError, StorageError
from palm.models.source import MODEL_FILES, is_model_file
from palm.rewards.loaded import reward_name
from palm.storage.cache import cached_folder
from palm.storage.local_file import fetch_s3_folder, list_s3_folder
from palm.storage.location import Location


def fetch_model_files(spec: Classifier) -> Path:
    """Bring a classifier's files to this machine, into caches that the steps of a build share, and give the folder.

    Raises:
        RewardError: they cannot be downloaded, or a hub model is not pinned to a revision.
    """
    source = Location(spec.uri.removeprefix("hf:"))
    if source.is_s3:
        return _from_s3(spec)
    return _folder(spec, Path(source.text)) if source.is_absolute_path else _from_hub(spec, source)


def _folder(spec: Classifier, folder: Path) -> Path:
    if not folder.is_dir():
        raise RewardError(
            reward_name(spec),
            rule="is not a folder",
            remedy="give a folder, or hf:NAME@REVISION for a model of the hub",
        )
    return folder


def _from_hub(spec: Classifier, source: Location) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    name, revision = source.hub_id
    if not revision:
        raise RewardError(
            reward_name(spec),
            rule="names no revision, and is no folder here: a model of the hub may change under the build",
            remedy=f"write hf:{name}@REVISION, best a commit",
        )
    # The hub client logs every attempt; its error is enough.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=MODEL_FILES, ignore_patterns=["*/*"]))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise RewardError(
            reward_name(spec),
            rule=f"cannot be downloaded from the model hub ({error})",
            remedy="check name, revision, network and HF_TOKEN, or give a folder",
        ) from error


def _from_s3(spec: Classifier) -> Path:
    try:
        objects = {name: tag for name, tag in list_s3_folder(spec.uri).items() if is_model_file(name)}
        return cached_folder(
            {"uri": spec.uri, "objects": objects}, lambda folder: fetch_s3_folder(spec.uri, folder, objects)
        )
    except StorageError as error:
        raise RewardError(
            reward_name(spec),
            rule=f"cannot be downloaded from S3 ({error})",
            remedy="check the address and the credentials",
        ) from error
