"""Step: policies measured on the held-out prompts."""

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from palm.builds.inputs import Inputs, load_inputs, scoring_definition
from palm.builds.response_store import responses_definition, stored_embeddings, stored_responses
from palm.builds.reuse import entry_name, reuse_or_make
from palm.config.portfolio import PortfolioConfig
from palm.evaluation.evaluate import TrainedPolicy, measure_policy, write_evaluation
from palm.evaluation.responses import Responder
from palm.evaluation.rollouts import Rollouts, read_rollouts
from palm.models.embed import EmbeddingModel, fetched_embedding_model
from palm.models.load import load_model, quiet_threads
from palm.progress import Stage, stage, weights_label
from palm.storage.files import read_json
from palm.storage.store import Store


def evaluate_policy(
    config: PortfolioConfig, *, policy: Path, base_model: Path, rollouts: Path, destination: Path
) -> dict:
    """Measure one policy; arguments, result and errors as of `evaluate_policies`."""
    return evaluate_policies(
        config, policies=[policy], base_model=base_model, rollouts=rollouts, destinations=[destination]
    )[0]


def evaluate_policies(
    config: PortfolioConfig, *, policies: list[Path], base_model: Path, rollouts: Path, destinations: list[Path]
) -> list[dict]:
    """Measure policies: rewards, divergence, objective, value vector, diversity.

    The base model is loaded, once, if the store lacks what one of them answered.

    Args:
        config: the configuration.
        policies: folders of the step train_policy.
        base_model: prepared base model.
        rollouts: folder of the step sample_reference.
        destinations: folder to make for each.

    Returns:
        Of each policy the content of evaluation.json, and ``entry``: the evaluation's name in the store.

    Raises:
        PalmError: an input is unusable or a reward misbehaves.
    """
    quiet_threads()
    evaluated = []
    with ExitStack() as stack:
        task = _Task(config, base_model, rollouts, stack)
        for policy, destination in zip(policies, destinations, strict=True):
            record = read_json(policy / "policy.json")
            trained = TrainedPolicy(record["policy"], record["weights"], policy, record["guard"])
            with stage("evaluate_policy", weights_label(record["weights"])) as progress:
                entry = task.reuse_or_evaluate(trained, destination, progress)
            evaluated.append({**read_json(destination / "evaluation.json"), "entry": entry})
    return evaluated


@dataclass(frozen=True)
class _Task:
    """What all policies are measured with; each part is made when the first one needs it, within that one's stage."""

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

    def reuse_or_evaluate(self, policy: TrainedPolicy, destination: Path, progress: Stage) -> str:
        config, embedding_model = self.config, self.embedding_model
        definition = {
            **scoring_definition(config, self.inputs, self.base_model),
            "policy": policy.name,
            # One policy may stand for other weights when rewards have been added.
            "weights": policy.preference_weights,
            "guard": policy.guard,
            "evaluation": config.evaluation.model_dump(exclude={"embedding_model"}),
            "embedding_model": None if embedding_model is None else embedding_model.digest,
            "reference": config.reference.model_dump(),
        }
        reuse_or_make(
            Store(config.storage.root),
            "evaluation",
            definition,
            destination,
            lambda folder: self._evaluate(policy, folder, progress),
        )
        return entry_name("evaluation", definition)

    def _evaluate(self, policy: TrainedPolicy, folder: Path, progress: Stage) -> None:
        config, inputs = self.config, self.inputs
        definition = responses_definition(
            config,
            base_model=self.base_model,
            prompts=inputs.evaluation,
            samples=config.evaluation.samples_per_prompt,
            seed=config.evaluation.seed,
            policy=policy.name,
        )
        responses = stored_responses(
            config,
            definition,
            lambda: self.responder.respond(
                policy.name,
                policy.folder,
                on_batch=lambda done, total: progress.advance(done, total, "responses"),
            ),
        )
        embeddings = None
        if self.embedding_model is not None:
            embeddings = stored_embeddings(config, definition, self.embedding_model, responses)
        evaluation = measure_policy(
            policy,
            responses,
            config=config,
            prompts=inputs.evaluation,
            rewards=inputs.rewards,
            metrics=inputs.metrics,
            reference=self.reference,
            embeddings=embeddings,
        )
        write_evaluation(
            folder,
            evaluation,
            reward_names=config.reward_names,
            metric_names=[metric.name for metric in config.metrics],
        )
