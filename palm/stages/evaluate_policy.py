"""Step: one policy measured on the held-out prompts."""

from pathlib import Path

import numpy as np

from palm.config import PortfolioConfig
from palm.evaluation.rollouts import read_rollouts, sample_rollouts, write_rollouts
from palm.evaluation.summary import summarise_policy
from palm.models.load import add_policy, load_model, quiet_threads
from palm.models.prompts import encode_prompts
from palm.progress import Stage, stage
from palm.stages.inputs import Inputs, load_inputs, scoring_definition
from palm.stages.reuse import reuse_or_make
from palm.storage.files import read_json, write_json
from palm.storage.store import Store


def evaluate_policy(
    config: PortfolioConfig, *, policy: Path, base_model: Path, rollouts: Path, destination: Path
) -> dict:
    """Measure a policy: rewards, divergence, objective, value vector.

    Args:
        config: the configuration.
        policy: folder of the step train_policy.
        base_model: prepared base model.
        rollouts: folder of the step sample_reference.
        destination: folder to make, with evaluation.json and samples.parquet.

    Returns:
        The content of evaluation.json.

    Raises:
        PalmError: an input is unusable or a reward misbehaves.
    """
    quiet_threads()
    record = read_json(policy / "policy.json")
    with stage("evaluate_policy", " ".join(f"{weight:.3f}" for weight in record["weights"])) as progress:
        inputs = load_inputs(config, rollouts)
        definition = {
            **scoring_definition(config, inputs, base_model),
            "policy": record["policy"],
            "evaluation": config.evaluation.model_dump(),
            "reference": config.reference.model_dump(),
        }
        reuse_or_make(
            Store(config.storage.root),
            "evaluation",
            definition,
            destination,
            lambda folder: _evaluate(config, record, inputs, policy, base_model, rollouts, folder, progress),
        )
    return read_json(destination / "evaluation.json")


def _evaluate(
    config: PortfolioConfig,
    record: dict,
    inputs: Inputs,
    policy: Path,
    base_model: Path,
    rollouts: Path,
    folder: Path,
    progress: Stage,
) -> None:
    from palm.evaluation.divergence import sequence_divergence

    model = add_policy(load_model(base_model, config.base_model.dtype), policy, record["policy"])
    metric_names = [metric.name for metric in config.metrics]
    ours = sample_rollouts(
        model,
        inputs.evaluation,
        inputs.rewards,
        inputs.metrics,
        config=config,
        samples=config.evaluation.samples_per_prompt,
        seed=config.evaluation.seed,
        on_batch=lambda done, total: progress.advance(done, total, "responses"),
    )
    samples = config.evaluation.samples_per_prompt
    prompt_ids = [ids for ids in encode_prompts(model.tokenizer, inputs.evaluation.texts) for _ in range(samples)]
    divergences = np.array(
        sequence_divergence(
            model, prompt_ids, [ids for row in ours.token_ids for ids in row], batch_size=config.generation.batch_size
        )
    ).reshape(-1, samples)
    reference = read_rollouts(rollouts / "eval.parquet", config.reward_names)
    summary = summarise_policy(
        ours,
        divergences,
        reference,
        np.array(record["weights"]),
        beta=config.beta,
        reward_names=config.reward_names,
        metric_names=metric_names,
    )
    write_rollouts(folder / "samples.parquet", ours, config.reward_names, metric_names, kl=divergences)
    write_json(folder / "evaluation.json", {"policy": record["policy"], "weights": record["weights"], **summary})
