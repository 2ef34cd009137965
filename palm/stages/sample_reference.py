"""Step: scored rollouts of the reference policy on all prompts."""

from pathlib import Path

from palm.config import PortfolioConfig
from palm.evaluation.rollouts import sample_rollouts, write_rollouts
from palm.evaluation.summary import summarise_scores
from palm.models.load import load_model
from palm.progress import stage
from palm.stages.inputs import load_inputs, scoring_definition
from palm.stages.reuse import reuse_or_make
from palm.storage.digest import file_digest
from palm.storage.files import write_json
from palm.storage.store import Store


def sample_reference(config: PortfolioConfig, base_model: Path, destination: Path) -> None:
    """Sample and score the reference policy: data of `rwr`, R(π_ref), and the estimate of J*.

    Args:
        config: the configuration.
        base_model: prepared base model.
        destination: folder to make, with train.parquet, eval.parquet and reference.json.

    Raises:
        PalmError: a prompt file, a reward or the model is unusable.
    """
    with stage("sample_reference") as progress:
        inputs = load_inputs(config)
        reward_names, metric_names = config.reward_names, [metric.name for metric in config.metrics]
        parts = [("train", inputs.train), ("eval", inputs.evaluation)]
        total = config.reference.samples_per_prompt * sum(len(prompts.texts) for _, prompts in parts)

        def make(folder: Path) -> None:
            policy = load_model(base_model, config.base_model.dtype)
            before = 0
            for offset, (name, prompts) in enumerate(parts):
                rollouts = sample_rollouts(
                    policy,
                    prompts,
                    inputs.rewards,
                    inputs.metrics,
                    config=config,
                    samples=config.reference.samples_per_prompt,
                    seed=config.reference.seed + offset,
                    on_batch=lambda done, _, before=before: progress.advance(before + done, total, "responses"),
                )
                before += rollouts.truncated.size
                write_rollouts(folder / f"{name}.parquet", rollouts, reward_names, metric_names)
            write_json(folder / "reference.json", summarise_scores(rollouts, reward_names, metric_names))

        definition = {
            **scoring_definition(config, inputs, base_model),
            "reference": config.reference.model_dump(),
            "train_prompts": file_digest(Path(config.prompts.train)),
        }
        reuse_or_make(Store(config.storage.root), "rollouts", definition, destination, make)
