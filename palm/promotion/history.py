"""What the promotion log tells people, and mending what it does not agree with."""

import json

from palm.config.portfolio import PortfolioConfig
from palm.promotion.alias import alias_of, is_gone, mended_alias, project
from palm.promotion.entry import REPAIR
from palm.promotion.log import PromotionLog, Tail
from palm.promotion.promote import JUDGEMENT, REFUSED, VERDICT
from palm.promotion.replay import Replay
from palm.registry.connection import connected


def history(config: PortfolioConfig) -> dict:
    """Read and check the whole log.

    Args:
        config: the configuration.

    Returns:
        ``refused`` (versions that the gate has kept out: ``version``, ``at``, ``why``, oldest first),
        ``model``, ``entries`` (`Entry.to_dict`, oldest first, each with ``valid``), ``champion`` (what the log says;
        null if it is empty), ``alias`` (what servers get; null if none), ``problems`` (lines; empty if all is well),
        ``noted`` (numbers of deleted entries that a repair has taken note of; each is still one of the problems).

    Raises:
        RegistryError: MLflow fails.
        DamagedError: a version of the log's model is no entry.
    """
    model = config.registry.model
    with connected(config.registry) as client:
        found = PromotionLog(client, model).read()
        alias = alias_of(client, model)
        refused = _refused(client, model)
        champion = found.head.after if found.head else None
        gone = champion is not None and is_gone(client, model, champion)
    problems = [f"entry {number} of the log is missing: somebody has deleted it" for number in found.gaps]
    if gone:
        problems.append(f"version {champion}, champion by the log, was deleted: run `palm rollback` or `palm promote`")
    elif found.head and alias != champion:
        problems.append(
            f"alias champion is {f'version {alias}' if alias else 'absent'}, the log says version {champion}: "
            "run `palm repair CONFIG`"
        )
    return {
        "model": model,
        "entries": [
            {**entry.to_dict(), "valid": entry in found.valid}
            for entry in sorted((*found.valid, *found.void), key=lambda entry: entry.number)
        ],
        "refused": refused,
        "champion": champion,
        "alias": alias,
        "problems": problems,
        "noted": [number for number in found.gaps if number not in found.missing],
    }


def _refused(client, model: str) -> list[dict]:
    found, token = [], None
    # MLflow sorts them out: of a portfolio that is rebuilt daily most versions were promoted.
    query = f"name = '{model}' and tags.`{VERDICT}` = '{REFUSED}'"
    while True:
        page = client.search_model_versions(query, max_results=1000, page_token=token)
        for version in page:
            # Of the tags that MLflow reads in a second query, some may have been changed since.
            if version.tags.get(VERDICT) == REFUSED:
                said = json.loads(version.tags.get(JUDGEMENT, "{}"))
                found.append({"version": str(version.version), "at": said.get("at", ""), "why": said.get("reason", "")})
        token = page.token
        if not token:
            return sorted(found, key=lambda refusal: int(refusal["version"]))


def repair(config: PortfolioConfig, *, who: str) -> list[str]:
    """Take note of deleted entries and set the alias to what the log says.

    Args:
        config: the configuration.
        who: who repairs, for the log.

    Returns:
        What was done, a line each; empty if all was well.

    Raises:
        RegistryError: MLflow fails.
        ConflictError: somebody else changed the champion at the same time.
        DamagedError: a version of the log's model is no entry.
    """
    model = config.registry.model
    with connected(config.registry) as client:
        log = PromotionLog(client, model)
        found = log.read()
        if found.missing:
            return _take_note(client, model, log, found, who)
        was = mended_alias(client, model, log, found.head)
    return [] if was is None else [_alias_line(was, found.head.after)]


def _take_note(client, model: str, log: PromotionLog, found: Replay, who: str) -> list[str]:
    """What was deleted may have been the head, so what is served now stays champion."""
    before = found.head.after if found.head else None
    alias = alias_of(client, model)
    numbers = ", ".join(map(str, found.missing))
    newest = max(entry.number for entry in (*found.valid, *found.void))
    entry = log.append(
        Tail(found.head, newest),
        before=before,
        after=alias or before or "",
        kind=REPAIR,
        why=f"somebody has deleted entries: {numbers}",
        who=who,
        missing=found.missing,
    )
    lines = [f"entry {entry.number} takes note of deleted entries: {numbers}; champion is version {entry.after}"]
    if alias != entry.after:
        project(client, model, log, entry)
        lines.append(_alias_line(alias or "", entry.after))
    return lines


def _alias_line(was: str, now: str) -> str:
    return f"alias champion was {f'version {was}' if was else 'absent'}, set to version {now}"
