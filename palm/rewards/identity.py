"""What a reward is now, found out without downloading or loading a model."""

from palm.config.portfolio import Registry
from palm.config.rewards import Classifier, MlflowModel, PythonReward, Reward
from palm.errors import ModelError, RewardError, StorageError
from palm.models.source import model_identity
from palm.rewards.mlflow_model import find_version, version_identity
from palm.rewards.python_function import load_function
from palm.rewards.verifiers import load_verifier

_NOT_ITS_VALUES = {"name", "uri", "timeout_seconds", "batch_size"}
"""Keys of a reward that change no value; where its content comes from is told by that content."""


def reward_identity(spec: Reward, registry: Registry) -> dict:
    """Tell a reward from all that it may be at another time.

    It changes whenever the values may change. A source that cannot be asked is an error: it may have changed.

    Args:
        spec: its configuration.
        registry: where MLflow is.

    Returns:
        JSON-able: what its source holds, and its options.

    Raises:
        RewardError: the source cannot be read.
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
        raise RewardError(
            f"reward {spec.name!r}: uri={spec.uri!r}", rule=f"cannot be read ({error})", remedy="mend its source"
        ) from error
