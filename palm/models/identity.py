"""What a model's source holds now, found out without downloading the model."""

from pathlib import Path

from palm.errors import ModelError
from palm.models.source import is_model_file, model_digests
from palm.storage.location import Location
from palm.storage.s3_folder import list_s3_folder


def model_identity(source: str, *, option: str) -> dict:
    """Tell a source's content from every other content it may have at another time.

    Args:
        source: an absolute folder, a hub id (NAME or NAME@REVISION) or an s3:// prefix.
        option: the configuration's key, for the message of an error.

    Returns:
        JSON-able: the commit of a hub model, the ETags of S3 objects, or the digests of a folder's files.

    Raises:
        ModelError: the folder is none, or the hub does not answer or knows no such model.
        StorageError: S3 cannot be read.
    """
    location = Location(source)
    if location.is_s3:
        return {"objects": {name: tag for name, tag in list_s3_folder(source).items() if is_model_file(name)}}
    if not location.is_absolute_path:
        return {"model": location.hub_id[0], "commit": _hub_commit(source, option)}
    if not Path(source).is_dir():
        raise ModelError(
            f"{option}={source}", rule="is not a folder", remedy="give a folder, a hub id or an s3:// prefix"
        )
    return {"files": model_digests(Path(source))}


def _hub_commit(source: str, option: str) -> str:
    from httpx2 import HTTPError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    name, revision = Location(source).hub_id
    try:
        return HfApi().model_info(name, revision=revision).sha
    except (HTTPError, HFValidationError, OSError) as error:
        raise ModelError(
            f"{option}={source!r}",
            rule=f"cannot be looked up at the model hub ({error})",
            remedy="check the id, the revision, the network and HF_TOKEN",
        ) from error
