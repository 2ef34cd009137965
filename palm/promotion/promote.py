"""From `challenger` to `champion`, after the gate has judged."""

import json
from datetime import UTC, datetime

from palm.config.portfolio import PortfolioConfig
from palm.errors import ConflictError
from palm.promotion.alias import alias_of, mended_alias, project
from palm.promotion.entry import PROMOTION, ROLLBACK, Entry
from palm.promotion.log import PromotionLog, Tail, conflict
from palm.registry.connection import connected
from palm.registry.retry import again

VERDICT, JUDGEMENT = "palm.verdict", "palm.judgement"
"""Tags of a version that the gate has judged: ``promoted`` or ``refused``, and all that it said, as JSON."""
PROMOTED, REFUSED = "promoted", "refused"
GAP_CHECK = "worst-case gap"
"""Name of the gate's check of the certified worst-case gap."""


def promote(config: PortfolioConfig, *, version: str, judgement: dict, who: str) -> dict:
    """Make a version champion if the gate has passed it and the champion is still the one it was compared with.

    A second call, after a process was killed, finishes what the first began. A version that a person has rolled back
    from is not promoted again: that is for a person to decide.

    Args:
        config: the configuration.
        version: the registered version that was judged.
        judgement: what the gate said: ``passed``, ``reason``, ``against`` (the champion it was compared with; null for
            none), ``checks`` (each with ``name``, ``value``, ``bound``, ``limit``, ``passed``).
        who: who promotes, for the log.

    Returns:
        ``promoted``, ``reason``, ``version``, ``previous_version`` (the champion before; null if none), ``checks``,
        ``log_entry`` (its number; null if nothing was promoted).

    Raises:
        RegistryError: MLflow fails.
        DamagedError: an entry of the log was deleted.
    """
    model = config.registry.model
    with connected(config.registry) as client:
        log = PromotionLog(client, model)
        seen = log.tail()
        if seen.head and seen.head.after == version:
            mended_alias(client, model, log, seen.head)
            if seen.head.gate.get("passed"):
                _mark(client, model, version, PROMOTED, seen.head.gate)
            return _promoted(seen.head)
        champion = seen.head.after if seen.head else alias_of(client, model)
        if not judgement["passed"]:
            mended_alias(client, model, log, seen.head)
            _mark(client, model, version, REFUSED, judgement)
            return _not_promoted(version, judgement, judgement["reason"], champion)
        undone = _undone(client, log, model, version)
        if undone is not None:
            reason = (
                f"{undone.who} has rolled back from version {version} ({undone.why or 'no reason given'}); "
                f"to promote it all the same: palm promote --version {version}"
            )
            return _not_promoted(version, judgement, reason, champion)
        try:
            entry = _append(log, seen, champion, version, judgement, who)
        except ConflictError as error:
            return _not_promoted(version, judgement, str(error), error.champion)
        project(client, model, log, entry)
        _mark(client, model, version, PROMOTED, judgement)
        return _promoted(entry)


def _undone(client, log: PromotionLog, model: str, version: str) -> Entry | None:
    """The rollback by which a person has taken the version's last promotion back; None if nobody has."""
    if client.get_model_version(model, version).tags.get(VERDICT) != PROMOTED:
        return None
    touched = [entry for entry in log.read().valid if version in (entry.after, entry.before)]
    last = touched[-1] if touched else None
    return last if last is not None and last.kind == ROLLBACK and last.before == version else None


def _append(log: PromotionLog, seen: Tail, champion: str | None, version: str, judgement: dict, who: str) -> Entry:
    if judgement["against"] != champion:
        raise conflict(PROMOTION, version, expected=judgement["against"], found=champion)
    return log.append(
        seen, before=champion, after=version, kind=PROMOTION, why=judgement["reason"], who=who, gate=judgement
    )


def _mark(client, model: str, version: str, verdict: str, judgement: dict) -> None:
    judgement = {**judgement, "at": datetime.now(UTC).isoformat(timespec="milliseconds")}
    for key, value in ((JUDGEMENT, json.dumps(judgement, separators=(",", ":"))), (VERDICT, verdict)):
        again(client.set_model_version_tag, model, version, key, value)


def _promoted(entry: Entry) -> dict:
    return {
        "promoted": True,
        "reason": entry.why,
        "version": entry.after,
        "previous_version": entry.before,
        "checks": entry.gate.get("checks", []),
        "log_entry": entry.number,
    }


def _not_promoted(version: str, judgement: dict, reason: str, champion: str | None) -> dict:
    return {
        "promoted": False,
        "reason": reason,
        "version": version,
        "previous_version": champion,
        "checks": judgement["checks"],
        "log_entry": None,
    }
