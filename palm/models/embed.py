"""Embedding texts with a transformer: the mean of its last hidden states."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palm.errors import ModelError
from palm.models.source import fetch_model_files
from palm.storage.digest import folder_digest

_BATCH_TEXTS = 64


@dataclass(frozen=True)
class EmbeddingModel:
    """An embedding model's folder and the digest of its files."""

    folder: Path
    digest: str


@contextmanager
def fetched_embedding_model(source: str | None) -> Iterator[EmbeddingModel | None]:
    """Copy or download an embedding model to a temporary folder.

    Args:
        source: an absolute folder, NAME@REVISION, an s3:// prefix, or None.

    Yields:
        The model, None without a source.
    """
    if source is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as name:
        fetch_model_files(source, Path(name), option="evaluation.embedding_model")
        yield EmbeddingModel(Path(name), folder_digest(Path(name)))


def embed_texts(folder: Path, texts: list[str]) -> np.ndarray:
    """Embed texts as unit vectors.

    Args:
        folder: a Hugging Face model folder with a tokenizer and safetensors weights.
        texts: length n. Texts longer than the model's limit are truncated.

    Returns:
        Shape (n, width), float32: the mean over tokens of the last hidden state, of length 1; the zero vector for a
        text without tokens.

    Raises:
        ModelError: the folder holds no usable transformer.

    Source: Reimers and Gurevych (2019), mean pooling.
    """
    import torch

    tokenizer, model = _load(folder)
    unique = list(dict.fromkeys(texts))
    encoded = _encode(tokenizer, model, unique)
    order = sorted((index for index, ids in enumerate(encoded) if ids), key=lambda index: len(encoded[index]))
    vectors = np.zeros((len(unique), model.config.get_text_config().hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), _BATCH_TEXTS):
            batch = order[start : start + _BATCH_TEXTS]
            width = len(encoded[batch[-1]])
            # Padding on the right keeps positions; the padding tokens are masked, so any will do.
            ids = torch.tensor([encoded[i] + [0] * (width - len(encoded[i])) for i in batch], device=model.device)
            mask = torch.tensor([[1] * len(encoded[i]) + [0] * (width - len(encoded[i])) for i in batch])
            mask = mask.to(model.device)
            states = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            # The mean has the direction of the sum.
            sums = (states * mask[:, :, None]).sum(1)
            vectors[batch] = torch.nn.functional.normalize(sums, dim=-1).cpu().numpy()
    if not np.isfinite(vectors).all():
        raise ModelError(
            f"embedding_model={folder}", rule="gives vectors that are not finite", remedy="use another model"
        )
    places = {text: index for index, text in enumerate(unique)}
    return vectors[[places[text] for text in texts]]


def _load(folder: Path):
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    what = f"embedding_model={folder}"
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModel.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
    except Exception as error:  # As in `palm.models.load`.
        remedy = "give a folder with config.json, a tokenizer and *.safetensors of a transformer"
        raise ModelError(what, rule=f"cannot be loaded ({error})", remedy=remedy) from error
    if model.config.is_encoder_decoder:
        raise ModelError(what, rule="is an encoder-decoder", remedy="use an encoder, or a decoder alone")
    return tokenizer, model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def _encode(tokenizer, model, texts: list[str]) -> list[list[int]]:
    positions = getattr(model.config, "max_position_embeddings", None)
    limit = min(tokenizer.model_max_length, positions or tokenizer.model_max_length)
    # RoBERTa's positions start after the padding token's.
    if positions is not None and model.config.model_type in ("roberta", "xlm-roberta", "camembert"):
        limit = min(limit, positions - 2)
    # The tokenizer truncates, which keeps its special tokens at the ends. Its limit is 10^30 if it has none.
    cut = {"truncation": True, "max_length": limit} if limit < 10**9 else {}
    return tokenizer(texts, verbose=False, **cut)["input_ids"]
