"""Responses in the store, named by the policy that gave them: a changed reward scores them anew and samples nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from palm.builds.inputs import base_model_digest
from palm.builds.reuse import reuse_or_make
from palm.config.portfolio import PortfolioConfig
from palm.evaluation.embeddings import EMBEDDINGS, read_embeddings, write_embeddings
from palm.evaluation.responses import Responses, read_responses, write_responses
from palm.models.embed import EmbeddingModel, embed_texts
from palm.models.generate import SAMPLER
from palm.models.prompts import PromptSet
from palm.storage.digest import value_digest
from palm.storage.store import Store

_RESPONSES = "responses.parquet"


def responses_definition(
    config: PortfolioConfig, *, base_model: Path, prompts: PromptSet, samples: int, seed: int, policy: str | None
) -> dict:
    """What a policy's responses depend on.

    Args:
        config: the configuration.
        base_model: prepared base model, of which only the record is read.
        prompts: what it is asked.
        samples: responses per prompt.
        seed: seed of sampling.
        policy: its content name; None for the reference.

    Returns:
        JSON-able.
    """
    return {
        "base_model": base_model_digest(base_model),
        "dtype": config.base_model.dtype,
        # Further fields of the prompts are the rewards' business.
        "prompts": value_digest(prompts.texts),
        "generation": config.generation.model_dump(),
        "sampler": SAMPLER,
        "samples": samples,
        "seed": seed,
        "policy": policy,
    }


def stored_responses(config: PortfolioConfig, definition: dict, respond: Callable[[], Responses]) -> Responses:
    """Responses from the store, sampled if it lacks them.

    Args:
        config: the configuration.
        definition: made by `responses_definition`.
        respond: samples them.

    Returns:
        What the store has, whoever sampled it.

    Raises:
        StorageError: the store fails.
    """
    with _entry(
        config, "responses", definition, lambda place: write_responses(place / _RESPONSES, respond())
    ) as folder:
        return read_responses(folder / _RESPONSES)


def stored_embeddings(
    config: PortfolioConfig, definition: dict, model: EmbeddingModel, responses: Responses
) -> np.ndarray:
    """Embeddings of responses from the store, computed if it lacks them.

    Args:
        config: the configuration.
        definition: made by `responses_definition`.
        model: what embeds.
        responses: what that definition stands for, n to each of p prompts.

    Returns:
        Shape (p, n, width), float32.

    Raises:
        ModelError: the model is not usable.
        StorageError: the store fails.
    """

    def embed(place: Path) -> None:
        vectors = embed_texts(model.folder, responses.texts)
        write_embeddings(place / EMBEDDINGS, vectors.reshape(*responses.divergences.shape, -1))

    # Not where the embedding model is, but what it is.
    with _entry(config, "embeddings", {"responses": definition, "embedding_model": model.digest}, embed) as folder:
        return read_embeddings(folder / EMBEDDINGS)


@contextmanager
def _entry(config: PortfolioConfig, kind: str, definition: dict, make: Callable[[Path], None]) -> Iterator[Path]:
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / kind
        reuse_or_make(Store(config.storage.root), kind, definition, folder, make)
        yield folder
