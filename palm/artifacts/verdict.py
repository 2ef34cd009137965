"""verdict.json: the gate's judgement of a registered portfolio, and whether it was promoted."""

from typing import ClassVar

from pydantic import ConfigDict, Field

from palm.artifacts.base import Artifact, Part

GAP_CHECK = "worst-case gap"
"""Name of the gate's check of the certified worst-case gap."""


class Recorded(Part):
    """A part of the promotion log, which outlives versions of palm: keys of newer ones are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Check(Recorded):
    """One condition of the gate."""

    name: str = Field(description="Quantity that is checked.")
    value: float | None = Field(description="Estimate; null if there is none.")
    bound: float | None = Field(description="Confidence bound on the unfavourable side, which decides; null if none.")
    limit: float = Field(description="What the bound is compared with.")
    passed: bool
    detail: str = Field("", description="Where the value is reached, or why there is none.")
    remedy: str = Field("", description="What helps if the condition fails.")


class Judgement(Recorded):
    """Result of the gate."""

    passed: bool = Field(description="Whether every check passed.")
    reason: str = Field(description="The same in words, with the figures that decided.")
    against: str | None = Field(description="Version of the champion that it was compared with; null if none.")
    confidence: float | None = Field(None, description="Of each bound by itself, in (0, 1); null if not recorded.")
    checks: tuple[Check, ...] = ()
    baseline: tuple[str, ...] = Field(
        (),
        description="Earlier champions that are better for some preference: the baseline of later portfolios.",
    )
    at: str = Field("", description="When it was recorded in MLflow, UTC, ISO 8601; empty before.")


class Verdict(Artifact):
    """Decision on a registered version."""

    FILE: ClassVar[str] = "verdict.json"

    promoted: bool = Field(description="Whether the version is champion.")
    reason: str
    version: str = Field(description="Version that was judged.")
    previous_version: str | None = Field(description="Champion before; null if there was none.")
    checks: tuple[Check, ...] = Field(description="Conditions of the gate.")
    log_entry: int | None = Field(description="Number in the promotion log; null if nothing was promoted.")
    confidence: float | None = Field(description="Of each bound by itself, in (0, 1).")
