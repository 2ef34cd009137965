"""History of a portfolio's champions, as `palm history` shows it."""

from palm.artifacts.base import Part
from palm.promotion.entry import Entry
from palm.promotion.judged import REFUSED, VERDICT, recorded_judgement
from palm.promotion.log import Survey
from palm.registry.client import Client, all_pages
from palm.registry.version import lookup_version


class LoggedEntry(Entry):
    """An entry of the promotion log; it is valid unless another writer was first."""

    valid: bool


class Refusal(Part):
    """A version that the gate has refused, when (UTC, ISO 8601; empty if not recorded), and why."""

    version: str
    at: str
    why: str


class History(Part):
    """What is known of a portfolio's champions.

    Attributes:
        entries: the promotion log, oldest first.
        refused: versions that the gate has refused, oldest first.
        champion: the champion by the log; None for an empty log.
        alias: version with the alias `champion`, which servers get; None if there is none.
        problems: contradictions in the log, or of log and alias, a line each.
        noted: numbers of deleted or edited entries that a repair has recorded; each is still one of the problems.
    """

    model: str
    entries: tuple[LoggedEntry, ...]
    refused: tuple[Refusal, ...]
    champion: str | None
    alias: str | None
    problems: tuple[str, ...]
    noted: tuple[int, ...]


def read_history(client: Client, model: str, survey: Survey, alias: str | None) -> History:
    """Check a log against the registered model; the alias is the version that has it."""
    found = survey.found
    champion = found.head.after if found.head else None
    problems = [f"entry {number} of the log is missing: somebody has deleted or edited it" for number in found.gaps]
    if survey.mark_damage:
        problems.append(survey.mark_damage)
    if champion is not None and lookup_version(client, model, champion) is None:
        problems.append(
            f"version {champion}, champion by the log, was deleted: run `palm rollback CONFIG` or `palm promote CONFIG`"
        )
    elif champion is not None and alias != champion:
        problems.append(
            f"alias champion is {f'version {alias}' if alias else 'absent'}, the log says version {champion}: "
            "run `palm repair CONFIG`"
        )
    entries = sorted((*found.valid, *found.void), key=lambda entry: entry.number)
    return History(
        model=model,
        entries=tuple(LoggedEntry(**dict(entry), valid=entry in found.valid) for entry in entries),
        refused=tuple(_refusals(client, model)),
        champion=champion,
        alias=alias,
        problems=tuple(problems),
        noted=tuple(number for number in found.gaps if number not in found.missing),
    )


def _refusals(client: Client, model: str) -> list[Refusal]:
    """Versions that the gate has refused, oldest first."""
    # MLflow selects them: of a portfolio that is rebuilt daily most versions were promoted.
    query = f"name = '{model}' and tags.`{VERDICT}` = '{REFUSED}'"
    found = []
    for version in all_pages(client.search_model_versions, query, max_results=1000):
        # MLflow reads tags in a second query, so some may have been changed since.
        if version.tags.get(VERDICT) == REFUSED:
            judgement = recorded_judgement(version.tags)
            at, why = (judgement.at, judgement.reason) if judgement else ("", "")
            found.append(Refusal(version=str(version.version), at=at, why=why))
    return sorted(found, key=lambda refusal: int(refusal.version))
