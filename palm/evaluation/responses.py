"""Responses of a policy and their embeddings, before any reward scores them: sampling and files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from palm.config.portfolio import PortfolioConfig
from palm.errors import DataError
from palm.evaluation.divergence import sequence_divergence
from palm.models.generate import Response, generate
from palm.models.load import LoadedModel
from palm.models.policies import PolicySet
from palm.models.prompts import PromptSet, encode_prompts

EMBEDDINGS = "embeddings.safetensors"
"""File name of embeddings."""


@dataclass(frozen=True, eq=False)
class Responses:
    """Sampled responses, n to each of p prompts.

    Attributes:
        answers: the n responses to each prompt in a row, length p · n.
        divergences: sequence KL of each to the reference, in nats, shape (p, n); 0 for the reference itself.
    """

    prompts: list[str]
    answers: list[Response]
    divergences: np.ndarray

    @property
    def texts(self) -> list[str]:
        """The texts, length p · n."""
        return [answer.text for answer in self.answers]


class Responder:
    """Samples from any number of policies, one after another, with the base model loaded once.

    A policy's responses do not depend on the policies before it.

    Args:
        base: the base model; the responder owns it afterwards.
    """

    def __init__(self, base: LoadedModel, *, config: PortfolioConfig, prompts: PromptSet):
        self._policies = PolicySet(base)
        self._config, self._prompts = config, prompts

    def respond(
        self, name: str, folder: Path, *, on_batch: Callable[[int, int], None] = lambda done, total: None
    ) -> Responses:
        """Sample a policy's responses for its evaluation, and measure their divergence.

        Args:
            folder: PEFT adapter or whole model, unloaded afterwards.
            on_batch: called with (responses done, responses in all).

        Raises:
            ModelError: the folder holds no policy over the base model.
        """
        config = self._config
        policy = self._policies.add(name, folder)
        try:
            answers = sample_responses(
                policy,
                self._prompts,
                config=config,
                samples=config.evaluation.samples_per_prompt,
                seed=config.evaluation.seed,
                on_batch=on_batch,
            )
            divergences = response_divergences(
                policy, self._prompts.texts, answers, batch_size=config.generation.batch_size
            )
        finally:
            self._policies.remove(name)
        return Responses(self._prompts.texts, answers, divergences)


def sample_responses(
    policy: LoadedModel,
    prompts: PromptSet,
    *,
    config: PortfolioConfig,
    samples: int,
    seed: int,
    on_batch: Callable[[int, int], None],
) -> list[Response]:
    """Sample responses.

    Args:
        samples: responses per prompt, n.
        on_batch: called with (responses done, responses in all).

    Returns:
        The n responses to each prompt in a row, length p · n.
    """
    return generate(
        policy,
        prompts.repeat(samples).texts,
        max_new_tokens=config.generation.max_new_tokens,
        batch_size=config.generation.batch_size,
        seed=seed,
        on_batch=on_batch,
    )


def response_divergences(
    policy: LoadedModel, prompts: list[str], answers: list[Response], *, batch_size: int
) -> np.ndarray:
    """Sequence KL, in nats, of a policy's own n responses to each of p prompts in a row: shape (p, n)."""
    samples = len(answers) // len(prompts)
    divergences = sequence_divergence(
        policy,
        [ids for ids in encode_prompts(policy.tokenizer, prompts) for _ in range(samples)],
        [answer.token_ids for answer in answers],
        batch_size=batch_size,
    )
    return np.array(divergences).reshape(len(prompts), samples)


def response_table(
    prompts: list[str], texts: list[str], token_ids: list[list[int]], truncated: Sequence[bool]
) -> dict[str, Sequence]:
    """Columns of a table with one row per response, the responses to one prompt in a row.

    They are ``prompt_index`` and ``sample`` (from 0), ``prompt``, ``response``, ``token_ids`` (end token included) and
    ``truncated`` (cut at the token limit).

    Args:
        prompts: length p; the other arguments have length p · n.
    """
    samples = len(texts) // len(prompts)
    return {
        "prompt_index": np.repeat(np.arange(len(prompts)), samples),
        "sample": np.tile(np.arange(samples), len(prompts)),
        "prompt": np.repeat(np.array(prompts, dtype=object), samples),
        "response": texts,
        "token_ids": token_ids,
        "truncated": truncated,
    }


def write_responses(path: Path, responses: Responses) -> None:
    """Write responses as Parquet: `response_table` and ``kl`` (sequence KL to the reference, nats)."""
    answers = responses.answers
    table = response_table(
        responses.prompts,
        responses.texts,
        [answer.token_ids for answer in answers],
        [answer.truncated for answer in answers],
    )
    pd.DataFrame({**table, "kl": responses.divergences.ravel()}).to_parquet(path, index=False)


def read_responses(path: Path) -> Responses:
    """Read the file of `write_responses`; DataError if the file is missing, or no such table."""
    try:
        table = pd.read_parquet(path)
        samples = int(table["sample"].max()) + 1
        rows = zip(table["response"], table["token_ids"], table["truncated"], strict=True)
        return Responses(
            prompts=table["prompt"].tolist()[::samples],
            answers=[Response(text, [int(token) for token in ids], bool(cut)) for text, ids, cut in rows],
            divergences=table["kl"].to_numpy().reshape(-1, samples),
        )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            str(path), rule=f"is not a table of responses ({error})", remedy="delete it and sample again"
        ) from error


def write_embeddings(path: Path, embeddings: np.ndarray) -> None:
    """Write the array ``embeddings``.

    Args:
        embeddings: one per response, shape (p, n, width), float32, zero for an empty response.
    """
    from safetensors.numpy import save_file

    save_file({"embeddings": embeddings}, path)


def read_embeddings(path: Path) -> np.ndarray:
    """Read the file of `write_embeddings`, shape (p, n, width); DataError if it is missing or malformed."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)["embeddings"]
    except (OSError, KeyError, SafetensorError) as error:
        raise DataError(str(path), rule=f"holds no embeddings ({error})", remedy="evaluate the policy again") from error
