"""summary.json: everything that the page of a build shows."""

from typing import Any, ClassVar

from pydantic import Field, field_validator

from palm.artifacts.base import Artifact, Part
from palm.artifacts.design import Design
from palm.artifacts.evaluation import Reference
from palm.artifacts.outcome import Labels
from palm.artifacts.registration import Registration
from palm.artifacts.selection import Candidate, Selection
from palm.artifacts.verdict import Verdict


class BuiltPolicy(Candidate):
    """A candidate and how the build obtained it."""

    backend: str | None = Field(description="Training backend: rloo, grpo, rwr or soup.")
    training_seconds: float | None = Field(description="Wall-clock seconds of its training.")
    reused: bool = Field(description="Whether the storage had it.")
    start: str | None = Field(description="Earlier policy that its training started from.")


class Response(Part):
    """A response of the reference or of a policy."""

    policy: str
    response: str
    rewards: dict[str, float] = Field(description="Reward to its normalised value, in [0, 1].")


class Sample(Part):
    """A held-out prompt with one response of the reference and of each policy in the portfolio."""

    prompt: str
    responses: tuple[Response, ...]


class Summary(Artifact):
    """A build: its design, policies, portfolio, registration and promotion."""

    FILE: ClassVar[str] = "summary.json"

    title: str = Field(description="Name of the portfolio.")
    build_id: str
    created: str = Field(description="UTC, ISO 8601.")
    palm_version: str
    reward_names: tuple[str, ...] = Field(description="Objectives, length d.")
    metric_names: tuple[str, ...] = Field(description="Reported only, not trained on.")
    beta: float = Field(description="β, reward units per nat of KL.")
    design: Design
    reference: Reference
    policies: tuple[BuiltPolicy, ...] = Field(description="Every candidate, in the order of the design.")
    trained: Labels = Field(description="Preference weights of the policies that the build trained, as text.")
    continued: Labels = Field(description="Those of the trained ones that started from an earlier policy.")
    reused: Labels
    device_seconds: float = Field(ge=0, description="Training time summed over all GPUs or processors.")
    device_seconds_saved: float = Field(ge=0, description="Training time that the reused policies had taken.")
    earlier: int = Field(ge=0, description="Number of candidates from the champion's build.")
    from_version: str | None = Field(description="Version of that champion.")
    selection: Selection = Field(description="Its policies are left out: they are above, with their trainings.")
    registration: Registration
    promotion: Verdict
    samples: tuple[Sample, ...]
    config_yaml: str
    kfp_mlflow_run: str | None = Field(None, description="Page of the run of Kubeflow Pipelines' MLflow plugin.")

    @field_validator("selection", mode="before")
    @classmethod
    def _policies_are_above(cls, selection: Any) -> Any:
        # Palm 0.1.0 wrote no key for the policies that are left out.
        return {"policies": (), **selection} if isinstance(selection, dict) else selection
