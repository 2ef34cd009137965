"""Rewards ready for use, of any kind, with a fingerprint of their content."""

from dataclasses import dataclass

from palm.config.portfolio import Registry
from palm.config.rewards import Classifier, MlflowModel, PythonReward, Reward
from palm.rewards.classifier.load import load_classifier
from palm.rewards.loaded import Loaded, RawReward
from palm.rewards.mlflow_model import load_mlflow_model
from palm.rewards.python.function import load_function
from palm.rewards.verifier.load import load_verifier
from palm.storage.digest import value_digest


@dataclass(frozen=True)
class RewardSource:
    """A reward that can score.

    Attributes:
        spec: its configuration; after calibration with all numbers of its normalisation.
        function: ``function(prompts, responses, **fields) -> one raw number per response``.
        fingerprint: sha256 over what decides its values: weights files or source, options, revision or version,
            and the normalisation.
    """

    spec: Reward
    function: RawReward
    fingerprint: str


def load_reward(spec: Reward, registry: Registry | None = None) -> RewardSource:
    """Load a reward from its URI. Model weights are read at its first use, not here.

    Args:
        registry: where MLflow is; needed by models of a registry only.

    Raises:
        RewardError: the URI does not lead to a usable reward.
    """
    loaded = _load(spec, registry)
    identity = {**loaded.identity, "normalisation": spec.normalisation.model_dump(mode="json")}
    return RewardSource(spec, loaded.function, value_digest(identity))


def _load(spec: Reward, registry: Registry | None) -> Loaded:
    match spec:
        case PythonReward():
            return load_function(spec)
        case Classifier():
            return load_classifier(spec)
        case MlflowModel():
            return load_mlflow_model(spec, registry)
        case _:
            return load_verifier(spec)
