"""One entry of the promotion log, and how it is kept in MLflow."""

import json
from dataclasses import dataclass, field

from palm.errors import DamagedError

PROMOTION, ROLLBACK, REPAIR = "promotion", "rollback", "repair"
_KINDS = (PROMOTION, ROLLBACK, REPAIR)


@dataclass(frozen=True)
class Entry:
    """A change of the champion that somebody has written down; entries never change.

    Attributes:
        number: place in the log, from 1; given by MLflow, unique and increasing.
        previous: number of the log's head that the writer saw; 0 for an empty log.
        before: version of the portfolio model that was champion; None if there was none.
        after: version that is champion from here on.
        kind: ``promotion``, ``rollback`` or ``repair``.
        why: the reason, for people.
        who: who did it.
        at: when, UTC, ISO 8601.
        gate: the gate's figures (`palm.promotion.promote`); empty if no gate was asked.
        token: names the attempt; a request that MLflow was sent twice leaves two entries with one token.
        missing: numbers of deleted entries that a repair has taken note of.
    """

    number: int
    previous: int
    before: str | None
    after: str
    kind: str
    why: str
    who: str
    at: str
    token: str
    gate: dict = field(default_factory=dict)
    missing: tuple[int, ...] = ()

    def to_dict(self) -> dict:
        """JSON-able, with the names that the tags have."""
        return {
            "number": self.number,
            "prev": self.previous,
            "from": self.before,
            "to": self.after,
            "kind": self.kind,
            "why": self.why,
            "who": self.who,
            "at": self.at,
            "gate": self.gate,
        }

    def to_tags(self) -> dict[str, str]:
        """The tags of the model version that holds it."""
        return {
            "prev": str(self.previous),
            "from": self.before or "",
            "to": self.after,
            "kind": self.kind,
            "why": self.why,
            "who": self.who,
            "at": self.at,
            "gate": json.dumps(self.gate, separators=(",", ":")),
            "token": self.token,
            **({"missing": ",".join(map(str, self.missing))} if self.missing else {}),
        }


def entry_of(model_version) -> Entry:
    """Read an entry.

    Args:
        model_version: a version of the log's registered model.

    Returns:
        The entry.

    Raises:
        DamagedError: it is none, or was edited beyond recognition.
    """
    tags, number = model_version.tags, int(model_version.version)
    try:
        if tags["kind"] not in _KINDS:
            raise ValueError(f"kind={tags['kind']!r}")
        return Entry(
            number=number,
            previous=int(tags["prev"]),
            before=tags["from"] or None,
            after=tags["to"],
            kind=tags["kind"],
            why=tags["why"],
            who=tags["who"],
            at=tags["at"],
            gate=json.loads(tags["gate"]),
            token=tags["token"],
            missing=tuple(int(part) for part in tags.get("missing", "").split(",") if part),
        )
    except (KeyError, ValueError) as error:
        raise DamagedError(
            f"{model_version.name} version {number}",
            rule=f"is no entry of a promotion log ({error!r})",
            remedy="delete this version, which nothing of palm has written so, then run `palm repair CONFIG`",
        ) from error
