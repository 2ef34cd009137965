"""Identities of rewards: fingerprinted by content, without downloading or loading a model."""

from palm.config.portfolio import Registry
from palm.config.rewards import Classifier, MlflowModel, PythonReward, Reward
from palm.errors import ModelError, RewardError, StorageError
from palm.models.source import model_identity
from palm.rewards.loaded import reward_name
from palm.rewards.mlflow_model import find_version, version_identity
from palm.rewards.python.function import load_function
from palm.rewards.verifier.load import load_verifier

_NOT_ITS_VALUES = {"name", "uri", "timeout_seconds", "batch_size"}
"""Keys of a reward that change no value; the uri is represented by its content."""


def reward_identity(spec: Reward, registry: Registry) -> dict:
    """Identify the content of a reward's source and its options, JSON-able: another identity may give other values.

    Raises:
        RewardError: the source cannot be read, so it may have changed.
    """
    return {**_content(spec, registry), "options": spec.model_dump(mode="json", exclude=_NOT_ITS_VALUES)}


def _content(spec: Reward, registry: Registry) -> dict:
    match spec:
        case PythonReward():
            return load_function(spec).identity
        case MlflowModel():
            return version_identity(find_version(spec, registry))
        case Classifier():
            return _classifier(spec)
        case _:
            return {"verifier": spec.uri, "version": load_verifier(spec).identity["version"]}


def _classifier(spec: Classifier) -> dict:
    try:
        return model_identity(spec.uri.removeprefix("hf:"), option=f"reward {spec.name!r}: uri")
    except (ModelError, StorageError) as error:
        raise RewardError(reward_name(spec), rule=f"cannot be read ({error})", remedy="fix its source") from error
