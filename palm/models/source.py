"""Bringing the base model to a local folder, wherever it comes from."""

import shutil
import tempfile
from pathlib import Path

from palm.config import BaseModelSource
from palm.errors import ModelError
from palm.models.load import check_model_folder
from palm.models.tiny import build_tiny_model
from palm.progress import Stage
from palm.storage.store import fetch_s3_folder

# What a causal LM needs; leaves out other formats, pickled weights above all.
_PATTERNS = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]


def fetch_base_model(spec: BaseModelSource, destination: Path, stage: Stage) -> None:
    """Fill a folder with the base model and check that it is one.

    Args:
        spec: where it comes from.
        destination: folder to fill; made if missing.
        stage: progress.

    Raises:
        ModelError: the source is not a causal LM with tokenizer and safetensors weights.
        StorageError: S3 cannot be read.
        DataError: the tiny model's corpus is malformed.
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
    elif spec.source.startswith("s3://"):
        fetch_s3_folder(spec.source, destination)
    elif Path(spec.source).is_absolute():
        _copy_folder(Path(spec.source), destination)
    else:
        _download(spec.source, destination)
    check_model_folder(destination)


def _copy_folder(source: Path, destination: Path) -> None:
    if not source.is_dir():
        raise ModelError(
            f"base_model.source={source}",
            rule="is not a folder",
            remedy="give a folder, a hub id, an s3:// prefix or `tiny`",
        )
    for pattern in _PATTERNS:
        for path in source.glob(pattern):
            shutil.copyfile(path, destination / path.name)


def _download(source: str, destination: Path) -> None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = source.partition("@")
    try:
        snapshot_download(
            name, revision=revision or None, local_dir=destination, allow_patterns=_PATTERNS, ignore_patterns=["*/*"]
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"base_model.source={source!r}",
            rule=f"cannot be had from the model hub ({error})",
            remedy="check the id, the revision and the network, or give a folder",
        ) from error
    # The hub client leaves its own bookkeeping there; it is not part of the model.
    shutil.rmtree(destination / ".cache", ignore_errors=True)
