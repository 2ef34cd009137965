"""The gate's judgement of a version, kept in the version's tags."""

from datetime import UTC, datetime

from pydantic import ValidationError

from palm.artifacts.verdict import Judgement
from palm.registry.client import Client
from palm.registry.retry import retry_on_conflict

VERDICT, _JUDGEMENT = "palm.verdict", "palm.judgement"
"""Tags of a judged version: ``promoted`` or ``refused``, and the judgement as JSON."""
PROMOTED, REFUSED = "promoted", "refused"


def record_judgement(client: Client, model: str, version: str, verdict: str, judgement: Judgement) -> None:
    """Tag a version with the gate's judgement."""
    dated = judgement.model_copy(update={"at": datetime.now(UTC).isoformat(timespec="milliseconds")})
    # The verdict comes last: a version that has one has a judgement.
    for key, value in ((_JUDGEMENT, dated.model_dump_json()), (VERDICT, verdict)):
        retry_on_conflict(client.set_model_version_tag, model, version, key, value)


def recorded_judgement(tags: dict[str, str]) -> Judgement | None:
    """Judgement in the tags of a version; None if there is none, or somebody has edited it."""
    try:
        return Judgement.model_validate_json(tags.get(_JUDGEMENT, ""))
    except ValidationError:
        return None
