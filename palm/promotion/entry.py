"""Entry of the promotion log, and how it is kept in MLflow."""

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, field_serializer

from palm.artifacts.base import Part
from palm.artifacts.verdict import Judgement
from palm.promotion.seal import Seal

PROMOTION, ROLLBACK, REPAIR = "promotion", "rollback", "repair"


def _judgement(value: Any) -> Any:
    """The judgement in a tag; None if there is none or if keys are missing: it is for people, the log needs none."""
    if not isinstance(value, str):
        return value
    content = json.loads(value)
    try:
        return Judgement.model_validate(content)
    except ValidationError:
        return None


def _numbers(value: Any) -> Any:
    return [number for number in value.split(",") if number] if isinstance(value, str) else value


def _seal(value: Any) -> Any:
    return Seal.model_validate_json(value) if isinstance(value, str) else value


_List = BeforeValidator(_numbers)
"""A tuple that is kept in a tag, with commas."""


class Entry(Part):
    """A change of the champion; entries never change.

    Its JSON, for people, leaves out `token`, `missing`, `policies` and `sealed`.

    Attributes:
        number: place in the log, from 1; given by MLflow, unique and increasing.
        previous: number of the log's head that the writer saw; 0 for an empty log.
        before: version of the portfolio model that was champion; None if there was none.
        after: version that is champion from here on.
        kind: ``promotion``, ``rollback`` or ``repair``.
        why: the reason, for people.
        at: when, UTC, ISO 8601.
        gate: the gate's judgement; None if there was none.
        manifest: digest of the manifest of version `after`; empty if it was registered without one.
        token: names the attempt; a request that MLflow was sent twice leaves two entries with one token.
        missing: numbers of deleted entries that a repair has recorded.
        policies: digest of the policies of ``after`` (`palm.registry.content.policies_digest`); empty if not known.
        baseline: versions that a run may lose little against, beside ``after``; None in entries of an older palm.
        sealed: seal of entry `previous`; None if there is none, or in entries of an older palm.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    number: int
    previous: int = Field(alias="prev")
    before: Annotated[str | None, BeforeValidator(lambda version: version or None)] = Field(alias="from")
    after: str = Field(alias="to")
    kind: Literal["promotion", "rollback", "repair"]
    why: str
    who: str
    at: str
    gate: Annotated[Judgement | None, BeforeValidator(_judgement)] = None
    manifest: str = ""
    token: str = Field(exclude=True)
    missing: Annotated[tuple[int, ...], _List] = Field((), exclude=True)
    policies: str = Field("", exclude=True)
    baseline: Annotated[tuple[str, ...] | None, _List] = None
    sealed: Annotated[Seal | None, BeforeValidator(_seal)] = Field(None, exclude=True)

    def tags(self) -> dict[str, str]:
        """Tags of the model version that holds the entry."""
        shown = self.model_dump(mode="json", by_alias=True, exclude={"number", "baseline"})
        gate = json.dumps(shown.pop("gate"), separators=(",", ":"))
        tags = {key: "" if value is None else str(value) for key, value in shown.items()}
        tags |= {"gate": gate, "token": self.token, "policies": self.policies}
        lists = {"missing": self.missing or None, "baseline": self.baseline}
        tags |= {key: ",".join(map(str, value)) for key, value in lists.items() if value is not None}
        return tags | ({} if self.sealed is None else {"sealed": self.sealed.model_dump_json()})

    @field_serializer("gate")
    def _gate_as_object(self, gate: Judgement | None) -> dict[str, Any]:
        return gate.model_dump(mode="json") if gate else {}

    @classmethod
    def of(cls, model_version) -> Self | None:
        """Entry in a version of the log's registered model; None if palm has not written it so."""
        try:
            return cls.model_validate({"number": int(model_version.version), **model_version.tags})
        except ValidationError:
            return None
