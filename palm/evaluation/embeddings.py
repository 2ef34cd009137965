"""Embeddings of responses as a file."""

from pathlib import Path

import numpy as np

from palm.errors import DataError

EMBEDDINGS = "embeddings.safetensors"
"""The file's name, wherever it lies."""


def write_embeddings(path: Path, embeddings: np.ndarray) -> None:
    """Write the array ``embeddings``.

    Args:
        path: destination.
        embeddings: of each response, shape (p, n, width), float32, zero for an empty response.
    """
    from safetensors.numpy import save_file

    save_file({"embeddings": embeddings}, path)


def read_embeddings(path: Path) -> np.ndarray:
    """Read what `write_embeddings` wrote.

    Args:
        path: the file.

    Returns:
        Shape (p, n, width).

    Raises:
        DataError: it is missing or malformed.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)["embeddings"]
    except (OSError, KeyError, SafetensorError) as error:
        raise DataError(str(path), rule=f"holds no embeddings ({error})", remedy="evaluate the policy again") from error
