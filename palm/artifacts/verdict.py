"""Verdict on a registered portfolio: what the gate has found, and whether it was promoted."""

from typing import ClassVar

from pydantic import ConfigDict

from palm.artifacts.base import Artifact, Part

GAP_CHECK = "worst-case gap"
"""Name of the gate's check of the certified worst-case gap."""


class Check(Part):
    """One condition of the gate.

    Attributes:
        name: the quantity that is checked.
        value: its estimate; None if there is none.
        bound: confidence bound of the value on the unfavourable side, which decides; None if there is none.
        limit: what the bound is compared with.
        passed: whether the condition holds.
        detail: where the value is reached, or why there is none.
        remedy: what helps if the condition fails.
    """

    # The promotion log keeps checks for years: keys of a newer palm are ignored, those of an older one may be absent.
    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    value: float | None
    bound: float | None
    limit: float
    passed: bool
    detail: str = ""
    remedy: str = ""


class Judgement(Part):
    """Result of the gate.

    Attributes:
        passed: whether every check passed.
        reason: the same in words, with the figures that decided.
        against: version of the champion that the portfolio was compared with; None if there was none.
        confidence: of each bound by itself, in (0, 1); None if it was not recorded.
        checks: all conditions.
        at: when it was recorded in MLflow, UTC, ISO 8601; empty before.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    passed: bool
    reason: str
    against: str | None
    confidence: float | None = None
    checks: tuple[Check, ...] = ()
    at: str = ""


class Verdict(Artifact):
    """Decision on a registered version: the file of the step promote_portfolio.

    Attributes:
        promoted: whether the version is champion.
        reason: why, in words.
        version: the version that was judged.
        previous_version: the champion before; None if there was none.
        checks: conditions of the gate.
        log_entry: number of the entry in the promotion log; None if nothing was promoted.
        confidence: of each bound, in (0, 1).
    """

    FILE: ClassVar[str] = "verdict.json"

    promoted: bool
    reason: str
    version: str
    previous_version: str | None
    checks: tuple[Check, ...]
    log_entry: int | None
    confidence: float | None
