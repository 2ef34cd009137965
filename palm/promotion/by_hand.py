"""Promotion and rollback by hand; both verify first that the version can be served."""

import json

from palm.config.portfolio import PortfolioConfig
from palm.errors import RegistryError
from palm.promotion.alias import alias_of, project
from palm.promotion.entry import PROMOTION, ROLLBACK, Entry
from palm.promotion.log import PromotionLog
from palm.promotion.promote import JUDGEMENT, PROMOTED, VERDICT
from palm.registry.connection import connected
from palm.registry.integrity import check_servable, existing_version
from palm.registry.register import CHALLENGER


def promote_by_hand(config: PortfolioConfig, *, version: str | None, why: str, who: str, override: bool) -> dict:
    """Make a version champion because a person says so.

    Args:
        config: the configuration.
        version: the version; None: the one with the alias `challenger`.
        why: the reason.
        who: who promotes.
        override: also a version that the gate has refused or never judged.

    Returns:
        The entry of the log (`Entry.to_dict`).

    Raises:
        RegistryError: there is no such version, the gate has not passed it, or MLflow fails.
        ModelError: the version is damaged.
        ConflictError: somebody else changed the champion at the same time.
        DamagedError: an entry of the log was deleted.
    """
    model = config.registry.model
    with connected(config.registry) as client:
        found = existing_version(client, model, _challenger(client, model) if version is None else version)
        # As MLflow writes it: 01 is version 1 there, and another champion in the log.
        version, tags = str(found.version), found.tags
        _check_verdict(f"{model} version {version}", tags, override=override, why=why)
        log = PromotionLog(client, model)
        seen = log.tail()
        champion = seen.head.after if seen.head else alias_of(client, model)
        if champion == version:
            raise RegistryError(
                f"{model} version {version}", rule="is champion already", remedy="see `palm history CONFIG`"
            )
        check_servable(client, model, version)
        gate = json.loads(tags.get(JUDGEMENT, "{}"))
        why = why or gate.get("reason", "")
        entry = log.append(seen, before=champion, after=version, kind=PROMOTION, why=why, who=who, gate=gate)
        project(client, model, log, entry)
    return entry.to_dict()


def rollback(config: PortfolioConfig, *, to: str | None, why: str, who: str) -> dict:
    """Make an earlier champion champion again.

    Args:
        config: the configuration.
        to: a version that was champion once; None: the one before the promotion of the present champion, so that
            another rollback goes one step further back.
        why: the reason.
        who: who rolls back.

    Returns:
        The entry of the log (`Entry.to_dict`).

    Raises:
        RegistryError: there is no such earlier champion, or MLflow fails.
        ModelError: the version is damaged.
        ConflictError: somebody else changed the champion at the same time.
        DamagedError: an entry of the log was deleted.
    """
    model = config.registry.model
    with connected(config.registry) as client:
        log = PromotionLog(client, model)
        seen = log.tail()
        target = _earlier_champion(model, list(log.read().valid), to)
        check_servable(client, model, target)
        entry = log.append(seen, before=seen.head.after, after=target, kind=ROLLBACK, why=why, who=who)
        project(client, model, log, entry)
    return entry.to_dict()


def champions(entries: list[Entry]) -> list[str]:
    """The champions that rollbacks walk back along: what was taken back is not among them.

    Args:
        entries: the entries of a log that count, oldest first.

    Returns:
        Versions, the present champion last.
    """
    past = [entries[0].before] if entries and entries[0].before else []
    for entry in entries:
        if entry.kind == ROLLBACK and entry.after in past:
            while past[-1] != entry.after:
                past.pop()
        elif not past or past[-1] != entry.after:
            past.append(entry.after)
    return past


def _earlier_champion(model: str, entries: list[Entry], to: str | None) -> str:
    past = champions(entries)
    if to is None:
        if len(past) < 2:
            raise RegistryError(
                f"rollback of {model}", rule="there was no champion before the present one", remedy="name one with --to"
            )
        return past[-2]
    once = {entry.after for entry in entries} | {entry.before for entry in entries if entry.before}
    if to not in once or to == past[-1]:
        others = sorted(once - {past[-1]} if past else once, key=int)
        raise RegistryError(
            f"--to {to}",
            rule="is champion already" if to in once else "was never champion",
            remedy=f"choose of {', '.join(others)}" if others else "promote one first",
        )
    return to


def _challenger(client, model: str) -> str:
    version = alias_of(client, model, CHALLENGER)
    if version is None:
        raise RegistryError(
            f"models:/{model}@{CHALLENGER}", rule="does not exist", remedy="build the portfolio, or name a --version"
        )
    return version


def _check_verdict(what: str, tags: dict[str, str], *, override: bool, why: str) -> None:
    verdict = tags.get(VERDICT)
    if verdict == PROMOTED or (override and why):
        return
    said = json.loads(tags.get(JUDGEMENT, "{}")).get("reason", "")
    raise RegistryError(
        what,
        rule="was never judged by the gate" if verdict is None else f"was refused by the gate ({said})",
        remedy="to promote it all the same, give --override and --reason",
    )
