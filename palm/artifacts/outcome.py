"""outcome.json: how a build ended."""

from typing import ClassVar, Literal

from pydantic import Field

from palm.artifacts.base import Artifact, Part

State = Literal["promoted", "refused", "failed", "unchanged"]

Labels = tuple[str, ...]
"""Preference weights as text."""


class Failure(Part):
    """A task that failed, or that ended without reporting."""

    step: str
    label: str = Field(description="What it worked on; empty if the build has one task of the step.")
    attempt: int = Field(ge=0, description="Number of the last attempt; 0: it never started.")
    error: str = Field(description="Why it failed, one line.")

    @property
    def task(self) -> str:
        """Step and label."""
        return f"{self.step} {self.label}".strip()


class PolicyStates(Part):
    """Preference weights of the policies of a build, as text, by state."""

    trained: Labels
    continued: Labels = Field(description="Those of the trained ones that started from an earlier policy.")
    reused: Labels = Field(description="Taken from the storage.")
    marked: Labels | None = Field(None, description="Those of the trained ones that a guard marked; null: not known.")
    failed: Labels
    not_started: Labels = Field(description="Planned, but their training never started.")


class Outcome(Artifact):
    """How a build ended; the storage keeps it as builds/BUILD/outcome.json."""

    FILE: ClassVar[str] = "outcome.json"

    build: str = Field(description="Name of the build.")
    state: State = Field(description="promoted or refused by the gate; failed; unchanged: there was nothing to build.")
    headline: str = Field(description="One sentence.")
    changes: tuple[str, ...] = Field(description="What had changed since the last build, one line per difference.")
    failures: tuple[Failure, ...] = Field(description="Tasks that failed, the most important first.")
    policies: PolicyStates
    device_seconds: float = Field(ge=0, allow_inf_nan=False, description="Training time summed over all devices.")
    device_seconds_saved: float = Field(
        ge=0, allow_inf_nan=False, description="Training time that the reused policies had taken."
    )
    kfp_mlflow_run: str | None = Field(None, description="Page of the run of Kubeflow Pipelines' MLflow plugin.")
    ended: float = Field(ge=0, allow_inf_nan=False, description="Seconds since 1970.")
    abandoned: bool = Field(False, description="Written by a later build, because this one ended without an outcome.")
