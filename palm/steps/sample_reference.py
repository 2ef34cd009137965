"""Step: scored rollouts of the reference policy on all prompts."""

from functools import cached_property
from pathlib import Path

import numpy as np

from palm.artifacts.calibration import Calibration
from palm.artifacts.evaluation import Reference
from palm.builds.inputs import Inputs, load_inputs, scoring_definition
from palm.builds.response_store import responses_definition, stored_responses
from palm.builds.reuse import entry_name, reuse_or_make
from palm.config.portfolio import PortfolioConfig
from palm.evaluation.responses import Responses, sample_responses
from palm.evaluation.rollouts import scored, write_rollouts
from palm.evaluation.summary import summarise_scores
from palm.models.load import LoadedModel, load_model
from palm.models.prompts import PromptSet
from palm.progress import Stage, stage
from palm.rewards.calibration import calibrate, write_calibration
from palm.rewards.scoring import raw_scores
from palm.storage.digest import file_digest
from palm.storage.local_file import local_file
from palm.storage.store import Store


def sample_reference(config: PortfolioConfig, base_model: Path, destination: Path) -> str:
    """Sample and score the reference policy: data of `rwr`, R(π_ref), and the estimate of J*; returns the store's name.

    Responses that the store has are only scored. The destination is a folder to make, with train.parquet, eval.parquet,
    reference.json and calibration.json.
    """
    with stage("sample_reference") as progress:
        inputs = load_inputs(config)
        definition = {
            **scoring_definition(config, inputs, base_model),
            "reference": config.reference.model_dump(),
            "train_prompts": file_digest(local_file(config.prompts.train)),
            "schema_version": [Reference.VERSION, Calibration.VERSION],
        }
        reuse_or_make(
            Store(config.storage.root),
            "rollouts",
            definition,
            destination,
            lambda folder: _sample(config, inputs, base_model, folder, progress),
        )
    return entry_name("rollouts", definition)


def _sample(config: PortfolioConfig, inputs: Inputs, base_model: Path, folder: Path, progress: Stage) -> None:
    samples = config.reference.samples_per_prompt
    names = config.reward_names, [metric.name for metric in config.metrics]
    sources = [*inputs.rewards, *inputs.metrics]
    respond = _Reference(config, inputs, base_model, progress)
    calibrated = None
    for offset, (part, prompts) in enumerate((("train", inputs.train), ("eval", inputs.evaluation))):
        answers = respond(prompts, seed=config.reference.seed + offset).answers
        raw = raw_scores(sources, prompts.repeat(samples), [answer.text for answer in answers])
        if calibrated is None:
            # Fitted on the training prompts, which come first, and applied to the held-out ones.
            calibrated = calibrate(sources, raw)
            write_calibration(folder, sources, calibrated, raw)
        rewards, metrics = calibrated[: len(inputs.rewards)], calibrated[len(inputs.rewards) :]
        rollouts = scored(prompts, answers, raw, rewards, metrics)
        write_rollouts(folder / f"{part}.parquet", rollouts, *names)
    Reference(**dict(summarise_scores(rollouts, *names))).write(folder)


class _Reference:
    """The base model, loaded when the store lacks responses."""

    def __init__(self, config: PortfolioConfig, inputs: Inputs, base_model: Path, progress: Stage):
        self._config, self._base_model, self._progress = config, base_model, progress
        self._samples = config.reference.samples_per_prompt
        self._total = self._samples * (len(inputs.train.texts) + len(inputs.evaluation.texts))
        self._done = 0

    @cached_property
    def _model(self) -> LoadedModel:
        return load_model(self._base_model, self._config.base_model.dtype)

    def __call__(self, prompts: PromptSet, *, seed: int) -> Responses:
        definition = responses_definition(
            self._config, base_model=self._base_model, prompts=prompts, samples=self._samples, seed=seed, policy=None
        )
        responses = stored_responses(self._config, definition, lambda: self._sample(prompts, seed))
        self._done += len(responses.answers)
        return responses

    def _sample(self, prompts: PromptSet, seed: int) -> Responses:
        answers = sample_responses(
            self._model,
            prompts,
            config=self._config,
            samples=self._samples,
            seed=seed,
            on_batch=lambda count, _: self._progress.advance(self._done + count, self._total, "responses"),
        )
        return Responses(prompts.texts, answers, np.zeros((len(prompts.texts), self._samples)))
