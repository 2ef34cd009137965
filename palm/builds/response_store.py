"""Responses in the store, named by their policy: after a change of rewards they are scored again, not sampled again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from palm.builds.inputs import base_model_digest
from palm.builds.reuse import reuse_or_make
from palm.config.portfolio import PortfolioConfig
from palm.evaluation.responses import (
    EMBEDDINGS,
    Responses,
    read_embeddings,
    read_responses,
    write_embeddings,
    write_responses,
)
from palm.models.embed import EmbeddingModel, embed_texts
from palm.models.generate import SAMPLER
from palm.models.prompts import PromptSet
from palm.storage.digest import value_digest
from palm.storage.store import Store

_RESPONSES = "responses.parquet"


def responses_definition(
    config: PortfolioConfig, *, base_model: Path, prompts: PromptSet, samples: int, seed: int, policy: str | None
) -> dict:
    """Definition of the responses of a policy, by its content name, or of the reference (None); JSON-able."""
    return {
        "base_model": base_model_digest(base_model),
        "dtype": config.base_model.dtype,
        # Only rewards read further fields of the prompts.
        "prompts": value_digest(prompts.texts),
        "generation": config.generation.model_dump(),
        "sampler": SAMPLER,
        "samples": samples,
        "seed": seed,
        "policy": policy,
    }


def stored_responses(config: PortfolioConfig, definition: dict, respond: Callable[[], Responses]) -> Responses:
    """Responses of a definition from the store, sampled if it lacks them."""
    with _entry(
        config, "responses", definition, lambda place: write_responses(place / _RESPONSES, respond())
    ) as folder:
        return read_responses(folder / _RESPONSES)


def stored_embeddings(
    config: PortfolioConfig, definition: dict, model: EmbeddingModel, responses: Responses
) -> np.ndarray:
    """Embeddings of a definition's responses, n to each of p prompts, from the store, computed if it lacks them.

    Returns:
        Shape (p, n, width), float32.
    """

    def embed(place: Path) -> None:
        vectors = embed_texts(model.folder, responses.texts)
        write_embeddings(place / EMBEDDINGS, vectors.reshape(*responses.divergences.shape, -1))

    with _entry(config, "embeddings", {"responses": definition, "embedding_model": model.digest}, embed) as folder:
        return read_embeddings(folder / EMBEDDINGS)


@contextmanager
def _entry(config: PortfolioConfig, kind: str, definition: dict, make: Callable[[Path], None]) -> Iterator[Path]:
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / kind
        reuse_or_make(Store(config.storage.root), kind, definition, folder, make)
        yield folder
