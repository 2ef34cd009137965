"""Inputs of a build: base model, prompts and rewards, and the checks that they are usable."""

from dataclasses import dataclass
from pathlib import Path

from palm.artifacts.base_model import BaseModel
from palm.builds.checks.base_model import check_base_model
from palm.builds.checks.design import check_design
from palm.builds.checks.environment import check_environment
from palm.config.portfolio import PortfolioConfig
from palm.errors import ConfigError, DataError
from palm.models.embed import embed_texts
from palm.models.generate import SAMPLER
from palm.models.prompts import PromptSet, read_prompts, read_records
from palm.rewards.calibration import read_calibration
from palm.rewards.scoring import normalised_scores, raw_scores
from palm.rewards.source import RewardSource, load_reward
from palm.storage.digest import file_digest, folder_digests
from palm.storage.local_file import local_file
from palm.storage.store import Store


@dataclass(frozen=True)
class Inputs:
    """The loaded inputs of a build: training and held-out prompts, objectives in weight order, and metrics."""

    train: PromptSet
    evaluation: PromptSet
    rewards: list[RewardSource]
    metrics: list[RewardSource]


def load_inputs(config: PortfolioConfig, rollouts: Path | None = None) -> Inputs:
    """Load prompts and rewards.

    Args:
        rollouts: folder of the step sample_reference, with the calibration of the rewards; None: not calibrated.

    Raises:
        DataError: a prompt file is missing or malformed, a prompt is in both, or the rollouts are of other rewards.
        RewardError: a reward cannot be loaded.
    """
    train, evaluation = read_prompts(config.prompts.train), read_prompts(config.prompts.eval)
    shared = set(train.texts) & set(evaluation.texts)
    if shared:
        raise DataError(
            f"prompts.eval={config.prompts.eval}",
            rule=f"shares {len(shared)} prompts with prompts.train, e.g. {min(shared)[:60]!r}",
            remedy="hold evaluation prompts out of training",
        )
    if train.fields.keys() != evaluation.fields.keys():
        raise DataError(
            f"prompts.eval={config.prompts.eval}",
            rule=f"has fields {sorted(evaluation.fields)}, prompts.train has {sorted(train.fields)}",
            remedy="give both files the same fields",
        )
    sources = [load_reward(entry, config.registry) for entry in (*config.rewards, *config.metrics)]
    if rollouts is not None:
        sources = read_calibration(rollouts, sources)
    return Inputs(train, evaluation, sources[: len(config.rewards)], sources[len(config.rewards) :])


def check_inputs(config: PortfolioConfig, *, gpus_elsewhere: bool = False) -> Inputs:
    """Check every input, and every setting that would fail late, before any work is done; as `check_environment`."""
    check_design(config)
    check_environment(config, gpus_elsewhere=gpus_elsewhere)
    Store(config.storage.root).check_writable()
    return check_data(config)


def check_data(config: PortfolioConfig) -> Inputs:
    """Check that prompts, rewards and base model are usable: every reward scores a probe."""
    inputs = load_inputs(config)
    _check_rewards_differ(inputs.rewards)
    wanted, given = config.training.prompts_per_step, len(inputs.train.texts)
    if config.training.samples and wanted > given:
        raise ConfigError(
            f"training.prompts_per_step={wanted}",
            rule=f"must be at most the {given} training prompts",
            remedy="lower it or give more prompts",
        )
    for prompts in (inputs.train, inputs.evaluation):
        probe = prompts.take([0, 0])
        responses = ["", probe.texts[0]]
        sources = [*inputs.rewards, *inputs.metrics]
        raw = raw_scores(sources, probe, responses)
        # A normalisation that is fitted to reference rollouts cannot be tried before they are sampled.
        known = [index for index, source in enumerate(sources) if source.spec.normalisation.is_fitted]
        normalised_scores([sources[index] for index in known], raw[:, known], responses)
    if config.base_model.tiny is not None:
        read_records(config.base_model.tiny.corpus, ("prompt", "response"))
    elif Path(config.base_model.source).is_absolute():
        check_base_model(config, Path(config.base_model.source), (inputs.train, inputs.evaluation))
    embedding_model = config.evaluation.embedding_model
    if embedding_model is not None and Path(embedding_model).is_absolute():
        embed_texts(Path(embedding_model), ["a probe"])
    return inputs


def _check_rewards_differ(rewards: list[RewardSource]) -> None:
    """Policies are named by the content of their rewards: the corners of two equal rewards would be one policy."""
    seen: dict[str, str] = {}
    for source in rewards:
        name = source.spec.name
        other = seen.setdefault(source.fingerprint, name)
        if other != name:
            raise ConfigError(
                f"rewards {other!r} and {name!r}",
                rule="are the same reward under two names",
                remedy="leave one out, and give the other the weight of both",
            )


def scoring_definition(config: PortfolioConfig, inputs: Inputs, base_model: Path) -> dict:
    """Definition of scored responses over this base model, without the policy."""
    return {
        "base_model": base_model_digest(base_model),
        "dtype": config.base_model.dtype,
        "eval_prompts": file_digest(local_file(config.prompts.eval)),
        "generation": config.generation.model_dump(),
        "sampler": SAMPLER,
        "rewards": [[source.spec.name, source.fingerprint] for source in inputs.rewards],
        "metrics": [[source.spec.name, source.fingerprint] for source in inputs.metrics],
    }


def base_model_digest(base_model: Path) -> str:
    """Digest that the step prepare_base_model has recorded in its folder, 64 hexadecimal digits."""
    return BaseModel.read(base_model).digest


def base_model_files(base_model: Path) -> dict[str, str]:
    """Name to sha256 of each file of a prepared base model, without the record of the step prepare_base_model."""
    return {name: digest for name, digest in folder_digests(base_model).items() if name != BaseModel.FILE}
