"""calibration.json: normalisations of the rewards, fitted to the reference's rollouts."""

from typing import Any, ClassVar

from pydantic import Field

from palm.artifacts.base import Artifact, Part


class CalibratedReward(Part):
    """The normalisation of a reward, and its raw scores on the training prompts."""

    fingerprint: str = Field(description="Fingerprint of the reward as configured.")
    normalisation: dict[str, Any] = Field(description="Fitted normalisation, in the form of the configuration.")
    responses: int = Field(ge=1, description="Responses that it was fitted to.")
    raw_minimum: float
    raw_median: float
    raw_maximum: float


class Calibration(Artifact):
    """Normalisations of all rewards and metrics."""

    FILE: ClassVar[str] = "calibration.json"

    rewards: dict[str, CalibratedReward] = Field(description="Name of the reward or metric to its normalisation.")
