"""Step: scored rollouts of the reference policy on all prompts."""

from pathlib import Path

from palm.config import PortfolioConfig
from palm.evaluation.rollouts import sample_responses, scored, write_rollouts
from palm.evaluation.summary import summarise_scores
from palm.models.load import load_model
from palm.progress import Stage, stage
from palm.rewards.calibration import calibrate, write_calibration
from palm.rewards.scoring import raw_scores
from palm.stages.inputs import Inputs, load_inputs, scoring_definition
from palm.stages.reuse import reuse_or_make
from palm.storage.digest import file_digest
from palm.storage.files import write_json
from palm.storage.local_file import local_file
from palm.storage.store import Store


def sample_reference(config: PortfolioConfig, base_model: Path, destination: Path) -> None:
    """Sample and score the reference policy: data of `rwr`, R(π_ref), and the estimate of J*.

    Args:
        config: the configuration.
        base_model: prepared base model.
        destination: folder to make, with train.parquet, eval.parquet, reference.json and calibration.json.

    Raises:
        PalmError: a prompt file, a reward or the model is unusable.
    """
    with stage("sample_reference") as progress:
        inputs = load_inputs(config)
        definition = {
            **scoring_definition(config, inputs, base_model),
            "reference": config.reference.model_dump(),
            "train_prompts": file_digest(local_file(config.prompts.train)),
        }
        reuse_or_make(
            Store(config.storage.root),
            "rollouts",
            definition,
            destination,
            lambda folder: _sample(config, inputs, base_model, folder, progress),
        )


def _sample(config: PortfolioConfig, inputs: Inputs, base_model: Path, folder: Path, progress: Stage) -> None:
    policy = load_model(base_model, config.base_model.dtype)
    samples = config.reference.samples_per_prompt
    total = samples * (len(inputs.train.texts) + len(inputs.evaluation.texts))
    names = config.reward_names, [metric.name for metric in config.metrics]
    sources = [*inputs.rewards, *inputs.metrics]
    calibrated = None
    done = 0
    for offset, (part, prompts) in enumerate((("train", inputs.train), ("eval", inputs.evaluation))):
        answers = sample_responses(
            policy,
            prompts,
            config=config,
            samples=samples,
            seed=config.reference.seed + offset,
            on_batch=lambda count, _, before=done: progress.advance(before + count, total, "responses"),
        )
        done += len(answers)
        raw = raw_scores(sources, prompts.repeat(samples), [answer.text for answer in answers])
        if calibrated is None:
            # On the training prompts, which come first; the held-out ones are measured with the same numbers.
            calibrated = calibrate(sources, raw)
            write_calibration(folder, sources, calibrated, raw)
        rewards, metrics = calibrated[: len(inputs.rewards)], calibrated[len(inputs.rewards) :]
        rollouts = scored(prompts, answers, raw, rewards, metrics)
        write_rollouts(folder / f"{part}.parquet", rollouts, *names)
    write_json(folder / "reference.json", summarise_scores(rollouts, *names))
