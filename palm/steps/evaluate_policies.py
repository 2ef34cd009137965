"""Step: evaluation of policies on the held-out prompts."""

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from palm.artifacts.evaluation import Evaluation
from palm.artifacts.policy import Policy
from palm.builds.inputs import Inputs, load_inputs, scoring_definition
from palm.builds.response_store import responses_definition, stored_embeddings, stored_responses
from palm.builds.reuse import entry_name, reuse_or_make
from palm.config.portfolio import PortfolioConfig
from palm.evaluation.evaluate import MeasuredPolicy, measure_policy, write_evaluation
from palm.evaluation.responses import Responder
from palm.evaluation.rollouts import Rollouts, read_rollouts
from palm.models.embed import EmbeddingModel, fetched_embedding_model
from palm.models.load import load_model, quiet_threads
from palm.progress import Stage, stage, weights_label
from palm.storage.store import Store


def evaluate_policy(
    config: PortfolioConfig, *, policy: Path, base_model: Path, rollouts: Path, destination: Path
) -> Evaluation:
    """Measure one policy, as `evaluate_policies`."""
    evaluate_policies(config, policies=[policy], base_model=base_model, rollouts=rollouts, destinations=[destination])
    return Evaluation.read(destination)


def evaluate_policies(
    config: PortfolioConfig, *, policies: list[Path], base_model: Path, rollouts: Path, destinations: list[Path]
) -> list[str]:
    """Measure policies: rewards, divergence, objective, value vector, diversity; each in a folder of its own.

    The base model is loaded once, and only if the store lacks responses of a policy. Returns the names of the
    evaluations in the store.
    """
    quiet_threads()
    entries = []
    with ExitStack() as stack:
        task = _Task(config, base_model, rollouts, stack)
        for folder, destination in zip(policies, destinations, strict=True):
            policy = Policy.read(folder)
            with stage("evaluate_policy", weights_label(policy.weights)) as progress:
                entries.append(task.reuse_or_evaluate(policy, folder, destination, progress))
    return entries


@dataclass(frozen=True)
class _Task:
    """Shared parts of all evaluations; each is made when the first policy needs it, within its stage."""

    config: PortfolioConfig
    base_model: Path
    rollouts: Path
    stack: ExitStack

    @cached_property
    def inputs(self) -> Inputs:
        return load_inputs(self.config, self.rollouts)

    @cached_property
    def embedding_model(self) -> EmbeddingModel | None:
        return self.stack.enter_context(fetched_embedding_model(self.config.evaluation.embedding_model))

    @cached_property
    def reference(self) -> Rollouts:
        return read_rollouts(self.rollouts / "eval.parquet", self.config.reward_names)

    @cached_property
    def responder(self) -> Responder:
        base = load_model(self.base_model, self.config.base_model.dtype)
        return Responder(base, config=self.config, prompts=self.inputs.evaluation)

    def reuse_or_evaluate(self, policy: Policy, folder: Path, destination: Path, progress: Stage) -> str:
        config, embedding_model = self.config, self.embedding_model
        definition = {
            **scoring_definition(config, self.inputs, self.base_model),
            "policy": policy.policy,
            # The same policy has other weights when rewards have been added.
            "weights": policy.weights,
            "guard": policy.guard and policy.guard.model_dump(),
            "evaluation": config.evaluation.model_dump(exclude={"embedding_model"}),
            "embedding_model": None if embedding_model is None else embedding_model.digest,
            "reference": config.reference.model_dump(),
            "schema_version": Evaluation.VERSION,
        }
        reuse_or_make(
            Store(config.storage.root),
            "evaluation",
            definition,
            destination,
            lambda made: write_evaluation(made, self._measure(policy, folder, progress)),
        )
        return entry_name("evaluation", definition)

    def _measure(self, policy: Policy, folder: Path, progress: Stage) -> MeasuredPolicy:
        config, inputs = self.config, self.inputs
        definition = responses_definition(
            config,
            base_model=self.base_model,
            prompts=inputs.evaluation,
            samples=config.evaluation.samples_per_prompt,
            seed=config.evaluation.seed,
            policy=policy.policy,
        )
        responses = stored_responses(
            config,
            definition,
            lambda: self.responder.respond(
                policy.policy, folder, on_batch=lambda done, total: progress.advance(done, total, "responses")
            ),
        )
        embeddings = None
        if self.embedding_model is not None:
            embeddings = stored_embeddings(config, definition, self.embedding_model, responses)
        return measure_policy(
            policy,
            responses,
            config=config,
            prompts=inputs.evaluation,
            rewards=inputs.rewards,
            metrics=inputs.metrics,
            reference=self.reference,
            embeddings=embeddings,
        )
