"""Step: policies measured on the held-out prompts."""

from contextlib import ExitStack
from functools import cache
from pathlib import Path

from palm.config import PortfolioConfig
from palm.evaluation.evaluate import PolicyEvaluator, TrainedPolicy, write_evaluation
from palm.evaluation.rollouts import read_rollouts
from palm.models.embed import EmbeddingModel, fetched_embedding_model
from palm.models.load import load_model, quiet_threads
from palm.progress import Stage, stage, weights_label
from palm.stages.inputs import Inputs, load_inputs, scoring_definition
from palm.stages.reuse import reuse_or_make
from palm.storage.files import read_json
from palm.storage.store import Store


def evaluate_policy(
    config: PortfolioConfig, *, policy: Path, base_model: Path, rollouts: Path, destination: Path
) -> dict:
    """Measure a policy: rewards, divergence, objective, value vector, diversity.

    Args:
        config: the configuration.
        policy: folder of the step train_policy.
        base_model: prepared base model.
        rollouts: folder of the step sample_reference.
        destination: folder to make (`palm.evaluation.evaluate.write_evaluation`).

    Returns:
        The content of evaluation.json.

    Raises:
        PalmError: an input is unusable or a reward misbehaves.
    """
    return evaluate_policies(
        config, policies=[policy], base_model=base_model, rollouts=rollouts, destinations=[destination]
    )[0]


def evaluate_policies(
    config: PortfolioConfig, *, policies: list[Path], base_model: Path, rollouts: Path, destinations: list[Path]
) -> list[dict]:
    """Measure policies in one process, those that the store does not have over one loaded base model.

    Args:
        config: the configuration.
        policies: folders of the step train_policy.
        base_model: prepared base model.
        rollouts: folder of the step sample_reference.
        destinations: folder to make for each.

    Returns:
        The content of each evaluation.json: the same as one policy at a time gives.

    Raises:
        PalmError: an input is unusable or a reward misbehaves.
    """
    quiet_threads()
    with ExitStack() as stack:
        # Once for all policies, within the first one's stage: a stage reports what fails in it.
        inputs = cache(lambda: load_inputs(config, rollouts))
        embedding_model = cache(lambda: stack.enter_context(fetched_embedding_model(config.evaluation.embedding_model)))
        evaluator = cache(lambda: _evaluator(config, inputs(), base_model, rollouts, embedding_model()))
        for policy, destination in zip(policies, destinations, strict=True):
            record = read_json(policy / "policy.json")
            trained = TrainedPolicy(record["policy"], record["weights"], policy, record["guard"])
            with stage("evaluate_policy", weights_label(record["weights"])) as progress:
                definition = _definition(config, inputs(), base_model, embedding_model(), trained)
                reuse_or_make(
                    Store(config.storage.root),
                    "evaluation",
                    definition,
                    destination,
                    lambda folder, trained=trained, progress=progress: _evaluate(
                        config, evaluator(), trained, folder, progress
                    ),
                )
    return [read_json(destination / "evaluation.json") for destination in destinations]


def _definition(
    config: PortfolioConfig,
    inputs: Inputs,
    base_model: Path,
    embedding_model: EmbeddingModel | None,
    policy: TrainedPolicy,
) -> dict:
    return {
        **scoring_definition(config, inputs, base_model),
        "policy": policy.name,
        # Not where the embedding model is, but what it is.
        "evaluation": config.evaluation.model_dump(exclude={"embedding_model"}),
        "embedding_model": None if embedding_model is None else embedding_model.digest,
        "reference": config.reference.model_dump(),
    }


def _evaluate(
    config: PortfolioConfig, evaluator: PolicyEvaluator, policy: TrainedPolicy, folder: Path, progress: Stage
) -> None:
    evaluation = evaluator.evaluate(policy, on_batch=lambda done, total: progress.advance(done, total, "responses"))
    write_evaluation(
        folder,
        evaluation,
        reward_names=config.reward_names,
        metric_names=[metric.name for metric in config.metrics],
    )


def _evaluator(
    config: PortfolioConfig,
    inputs: Inputs,
    base_model: Path,
    rollouts: Path,
    embedding_model: EmbeddingModel | None,
) -> PolicyEvaluator:
    return PolicyEvaluator(
        load_model(base_model, config.base_model.dtype),
        config=config,
        prompts=inputs.evaluation,
        rewards=inputs.rewards,
        metrics=inputs.metrics,
        reference=read_rollouts(rollouts / "eval.parquet", config.reward_names),
        embedding_model=embedding_model,
    )
