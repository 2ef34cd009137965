"""Sources of models: a folder, a hub id or an s3:// prefix; their identity, and fetching them."""

import glob
import shutil
import tempfile
from collections.abc import Collection
from fnmatch import fnmatch
from pathlib import Path

from palm.artifacts.base_model import BaseModel
from palm.config.base_model import BaseModelSource
from palm.errors import ModelError
from palm.models.load import check_model_folder
from palm.models.tiny import build_tiny_model
from palm.progress import Stage
from palm.storage.digest import file_digest
from palm.storage.local_file import fetch_s3_folder, list_s3_folder
from palm.storage.location import Location

MODEL_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
"""Files of a transformer, without code and other formats, above all pickled weights."""


def is_model_file(name: str) -> bool:
    """Whether a file is part of a transformer, by its name relative to the model's folder.

    The one rule for what is fetched, what the identity counts, and what digests are of.
    """
    if "/" in name or name == BaseModel.FILE:
        return False
    return any(fnmatch(name, pattern) for pattern in MODEL_FILES)


def model_digests(folder: Path) -> dict[str, str]:
    """sha256 of every model file in a folder, by name."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and is_model_file(path.name))
    return {path.name: file_digest(path) for path in files}


def model_identity(source: str, *, option: str) -> dict:
    """Identify the present content of a model's source, without downloading it.

    Args:
        source: an absolute folder, a hub id (NAME or NAME@REVISION) or an s3:// prefix.
        option: the configuration's key, for error messages.

    Returns:
        JSON-able: the commit of a hub model, the ETags of S3 objects, or the digests of a folder's files.

    Raises:
        ModelError: the folder does not exist, or the hub does not answer or has no such model.
    """
    location = Location(source)
    if location.is_s3:
        return {"objects": {name: tag for name, tag in list_s3_folder(source).items() if is_model_file(name)}}
    if not location.is_absolute_path:
        return {"model": location.hub_id[0], "commit": _hub_commit(source, option)}
    return {"files": model_digests(_folder(source, option))}


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


def fetch_base_model(spec: BaseModelSource, destination: Path, stage: Stage) -> None:
    """Fill a folder with the base model, and check it.

    Args:
        destination: folder to fill; made if missing.

    Raises:
        ModelError: the source is not a causal LM with tokenizer and safetensors weights.
    """
    destination.mkdir(parents=True, exist_ok=True)
    if spec.tiny is not None:
        with tempfile.TemporaryDirectory() as scratch:
            build_tiny_model(
                spec.tiny,
                destination,
                scratch=Path(scratch),
                on_step=lambda step, steps, loss: stage.advance(step, steps, f"loss {loss:.3f}"),
            )
    else:
        fetch_model_files(spec.source, destination, option="base_model.source")
    check_model_folder(destination)


def fetch_model_files(source: str, destination: Path, *, option: str, recorded: Collection[str] | None = None) -> None:
    """Copy or download the files of a transformer.

    Args:
        source: an absolute folder, a hub id (NAME or NAME@REVISION) or an s3:// prefix.
        recorded: names of the files that a record of the model holds; None: all that belong to it now.
    """
    location = Location(source)
    if location.is_s3:
        found = filter(is_model_file, list_s3_folder(source)) if recorded is None else recorded
        fetch_s3_folder(source, destination, list(found))
    elif location.is_absolute_path:
        folder = _folder(source, option)
        names = (path.name for path in folder.iterdir() if path.is_file() and is_model_file(path.name))
        for name in names if recorded is None else recorded:
            shutil.copyfile(folder / name, destination / name)
    else:
        _download(source, destination, option, recorded)


def _folder(source: str, option: str) -> Path:
    if not Path(source).is_dir():
        raise ModelError(
            f"{option}={source}", rule="is not a folder", remedy="give a folder, a hub id or an s3:// prefix"
        )
    return Path(source)


def _download(source: str, destination: Path, option: str, recorded: Collection[str] | None) -> None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, revision = Location(source).hub_id
    try:
        snapshot_download(
            name,
            revision=revision,
            local_dir=destination,
            allow_patterns=MODEL_FILES if recorded is None else [glob.escape(name) for name in recorded],
            ignore_patterns=["*/*", BaseModel.FILE] if recorded is None else None,
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"{option}={source!r}",
            rule=f"cannot be downloaded from the model hub ({error})",
            remedy="check the id, the revision and the network, or give a folder",
        ) from error
    # The hub client's own records are not part of the model.
    shutil.rmtree(destination / ".cache", ignore_errors=True)
