"""The locations of a configuration's inputs: files, and models that are a folder, a hub id or an S3 address."""

from collections.abc import Callable

from palm.config.portfolio import PortfolioConfig
from palm.config.rewards import Reward
from palm.storage.location import Location


def with_places(config: PortfolioConfig, *, file: Callable[[str], str], model: Callable[[str], str]) -> PortfolioConfig:
    """A copy of a configuration in which every input has another location.

    Args:
        file: maps the location of a file: prompts, a corpus, the source of a Python reward.
        model: maps the location of a model: base model, classifier, embedding model.
    """
    base, prompts, evaluation = config.base_model, config.prompts, config.evaluation
    if base.tiny is not None:
        base = base.model_copy(update={"tiny": base.tiny.model_copy(update={"corpus": file(base.tiny.corpus)})})
    else:
        base = base.model_copy(update={"source": model(base.source)})
    if evaluation.embedding_model is not None:
        evaluation = evaluation.model_copy(update={"embedding_model": model(evaluation.embedding_model)})
    return config.model_copy(
        update={
            "base_model": base,
            "prompts": prompts.model_copy(update={"train": file(prompts.train), "eval": file(prompts.eval)}),
            "rewards": tuple(_reward(entry, file, model) for entry in config.rewards),
            "metrics": tuple(_reward(entry, file, model) for entry in config.metrics),
            "evaluation": evaluation,
        }
    )


def _reward(entry: Reward, file: Callable[[str], str], model: Callable[[str], str]) -> Reward:
    scheme, _, rest = entry.uri.partition(":")
    target, _, function = rest.rpartition(":")
    if scheme == "python" and target.endswith(".py"):
        return entry.model_copy(update={"uri": f"python:{file(target)}:{function}"})
    if scheme == "hf":
        place = model(rest)
        return entry.model_copy(update={"uri": place if Location(place).is_s3 else f"hf:{place}"})
    return entry
