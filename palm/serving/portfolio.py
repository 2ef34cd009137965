"""Portfolio folder that answers: routing table, policies, base model.

The folder is what one version of the registered model holds:

    routing.json       objectives, policies with value vectors, sha256 of every file, where the base model is
    adapters/<name>/   PEFT adapter of each policy that is one
    models/<name>/     the whole model of each fully fine-tuned policy
    base_model/        the base model, unless it is referenced by hub id or S3 prefix
    chat_template.jinja  the base model's, if it is referenced and settings were written into its template
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palm.artifacts.routing import RecordedBase, RoutedPolicy, Routing
from palm.config.base_model import BaseModelSource
from palm.models.chat import TEMPLATE
from palm.models.generate import generate
from palm.models.load import LoadedModel, load_model
from palm.models.policies import PolicySet, is_adapter
from palm.serving.router import Router, Weights
from palm.serving.verification import fetch_recorded_base, private_copy, verify_portfolio
from palm.storage.digest import folder_digests, value_digest


@dataclass(frozen=True)
class Answer:
    """A response and the policy that gave it."""

    policy: str
    response: str


def write_portfolio(
    destination: Path,
    *,
    router: Router,
    policies: dict[str, Path],
    base_model: Path,
    base_source: BaseModelSource,
    base_files: dict[str, str],
    max_new_tokens: int,
) -> Routing:
    """Write a portfolio folder.

    Args:
        policies: policy name to its folder, of either kind (`palm.models.policies`).
        base_files: sha256 of each of the base model's files, by name (`folder_digests`).
        base_source: where the base model came from; hub ids and S3 prefixes are referenced, anything else is copied.
        max_new_tokens: default limit of a response.
    """
    places = {name: f"adapters/{name}" if is_adapter(policies[name]) else f"models/{name}" for name in router.policies}
    for name, place in places.items():
        shutil.copytree(policies[name], destination / place)
    embedded = base_source.tiny is not None or Path(base_source.source).is_absolute()
    if embedded:
        shutil.copytree(base_model, destination / Routing.EMBEDDED)
    elif base_source.chat_settings:
        # The source has the template without the settings.
        shutil.copyfile(base_model / TEMPLATE, destination / TEMPLATE)
    routing = Routing(
        reward_names=router.reward_names,
        policies=[
            RoutedPolicy(policy=name, value_vector=vector.tolist(), folder=places[name])
            for name, vector in zip(router.policies, router.value_vectors, strict=True)
        ],
        base_model=RecordedBase(
            source=Routing.EMBEDDED if embedded else base_source.source,
            dtype=base_source.dtype,
            sha256=value_digest(base_files),
            files=base_files,
        ),
        max_new_tokens=max_new_tokens,
        sha256=folder_digests(destination),
    )
    routing.write(destination)
    return routing


class ServedPortfolio:
    """Answers prompts with the policy that fits the preference weights.

    Args:
        folder: a portfolio folder.
        routing: its routing table, if its files were checked already; None: they are checked now.
        private: temporary folder around it, which nobody else can change and which is removed with this object. None:
            every model is read from a private copy that is checked again and kept only while it is read.

    Raises:
        ModelError: a file is missing, changed or in excess.
    """

    def __init__(
        self, folder: Path, *, routing: Routing | None = None, private: tempfile.TemporaryDirectory | None = None
    ):
        self._folder, self._private = folder, private
        self._routing = verify_portfolio(folder) if routing is None else routing
        entries = self._routing.policies
        self.router = Router(
            self._routing.reward_names,
            tuple(entry.policy for entry in entries),
            np.array([entry.value_vector for entry in entries]),
        )
        self._places = {entry.policy: entry.folder for entry in entries}
        self._policies: PolicySet | None = None

    def answer(
        self,
        prompt: str,
        weights: Weights,
        *,
        seed: int = 0,
        temperature: float = 1.0,
        max_new_tokens: int | None = None,
    ) -> Answer:
        """Answer one prompt.

        Args:
            prompt: the user's text.
            weights: preference weights, which sum to 1: reward name to weight, or a sequence in the order of
                `reward_names`.
            seed: seed of sampling; the same call gives the same response on one machine.
            temperature: 1 is the certified policy, 0 its likeliest response.
            max_new_tokens: limit in tokens; unset means the one that the portfolio was certified with.

        Raises:
            WeightsError: the weights are not on the simplex, or name other rewards.
            ModelError: the base model cannot be downloaded.
        """
        name = self.router.route(weights)
        model = self._policy(name)
        limit = self._routing.max_new_tokens if max_new_tokens is None else max_new_tokens
        response = generate(model, [prompt], max_new_tokens=limit, batch_size=1, seed=seed, temperature=temperature)[0]
        return Answer(name, response.text)

    @property
    def reward_names(self) -> tuple[str, ...]:
        """Objectives, in the order of the weights."""
        return self._routing.reward_names

    def _policy(self, name: str) -> LoadedModel:
        """The policy, loaded when it is first used: a fully fine-tuned one is as large as the base model."""
        if self._policies is None:
            self._policies = PolicySet(self._load_base())
        if name in self._policies:
            return self._policies.use(name)
        with self._unchanged(self._places[name]) as folder:
            return self._policies.add(name, folder)

    def _load_base(self) -> LoadedModel:
        base = self._routing.base_model
        if base.source == Routing.EMBEDDED:
            with self._unchanged(Routing.EMBEDDED) as folder:
                return load_model(folder, base.dtype)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            fetch_recorded_base(base, self._folder, folder)
            return load_model(folder, base.dtype)

    @contextmanager
    def _unchanged(self, place: str) -> Iterator[Path]:
        """A model's folder to read from: its files may have been replaced since they were checked."""
        if self._private is not None:
            yield self._folder / place
            return
        start = f"{place}/"
        files = {name: digest for name, digest in self._routing.sha256.items() if name.startswith(start)}
        with private_copy(self._folder, files) as copy:
            yield copy / place
