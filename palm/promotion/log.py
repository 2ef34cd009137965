"""Promotion log: an append-only registered model, `<name>-promotions`, each version of which is an entry.

The log is the authority on who was champion when; the alias `champion` follows it (`palm.promotion.alias`), as
MLflow's alias alone has no precondition and no history. The head is found at the end of the log: an entry names the
head that its writer saw, which counts, so replay begins there. A mark elsewhere (`palm.promotion.head_mark`) tells
where the end was. Every entry seals the one before it, and the mark seals the head: an edit shows as a deletion does.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from palm.artifacts.verdict import Judgement
from palm.config.registry import LOG_SUFFIX
from palm.errors import ConflictError, DamagedError
from palm.promotion.entry import Entry
from palm.promotion.head_mark import read_mark, write_mark
from palm.promotion.replay import Replay, replay
from palm.promotion.seal import Seal
from palm.registry.client import Client, all_pages
from palm.registry.retry import retry_on_conflict
from palm.registry.version import create_model

_PAGE = 12
_SHOWN = 1000
"""Characters of a description, for which MLflow's databases have room for 5000; the tags hold all."""
_SOURCE = "palm:/promotion-log"
"""An entry has no files, but MLflow requires a source."""


@dataclass(frozen=True)
class Tail:
    """The end of the log as it was read.

    Attributes:
        head: the last entry that counts; None for an empty log.
        newest: number of the last entry; 0 for an empty log.
    """

    head: Entry | None
    newest: int


@dataclass(frozen=True)
class Survey:
    """The whole log, read past damage.

    Attributes:
        mark: the mark of its head; None if there is none, or if it is damaged.
        mark_damage: what is wrong with the mark; empty if nothing is.
    """

    found: Replay
    mark: Seal | None
    mark_damage: str

    @property
    def head_is_certain(self) -> bool:
        """Whether the marked entry is there, so that no later champion was deleted with its entry."""
        return self.mark is not None and any(entry.number == self.mark.number for entry in self.found.valid)


class PromotionLog:
    """The log of one portfolio.

    Every method but `survey` fails with `DamagedError` if entries that it needs were deleted or edited.
    """

    def __init__(self, client: Client, model: str):
        self._client, self._model = client, model
        self.name = f"{model}{LOG_SUFFIX}"

    def tail(self) -> Tail:
        """Read the end of the log."""
        # The mark first: the log only grows meanwhile.
        mark = read_mark(self._client, self._model)
        found, newest = self._stretch(None, mark)
        if mark is not None and (found.head is None or found.head.number != mark.number):
            found = self._whole(mark)
        return Tail(self._intact(found).head, newest)

    def append(
        self,
        seen: Tail,
        *,
        before: str | None,
        after: str,
        kind: str,
        why: str,
        who: str,
        gate: Judgement | None = None,
        manifest: str = "",
        missing: tuple[int, ...] = (),
        policies: str = "",
        baseline: Iterable[str] = (),
    ) -> Entry:
        """Write an entry, if the head is still the one that was seen.

        Args:
            seen: the end of the log that the decision is based on.
            before, after, kind, why, who, gate, manifest, missing, policies, baseline: as in `Entry`.

        Returns:
            The entry, which is the head now or was for a moment.

        Raises:
            ConflictError: another writer was first; the head is theirs and nothing else was changed.
        """
        previous = seen.head.number if seen.head else 0
        entry = Entry(
            number=0,
            previous=previous,
            before=before,
            after=after,
            kind=kind,
            why=why,
            who=who,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            gate=gate,
            manifest=manifest,
            token=uuid.uuid4().hex,
            missing=missing,
            policies=policies,
            baseline=tuple(baseline),
            sealed=self._seal(previous) if previous else None,
        )
        if seen.newest == 0:
            create_model(
                self._client,
                self.name,
                f"Who was champion of {self._model} when, and why: one version is one entry. "
                "Written by palm; never edit or delete any (`palm history` shows if somebody did).",
            )
        created = retry_on_conflict(
            self._client.create_model_version,
            self.name,
            source=_SOURCE,
            # It is ready at once; waiting for that would be one more request.
            await_creation_for=0,
            tags=entry.tags(),
            description=f"{kind}: {before or 'none'} → {after}; {why}"[:_SHOWN],
        )
        number = int(created.version)
        if number == seen.newest + 1:
            return entry.model_copy(update={"number": number})
        found = self._intact(self._stretch(entry.previous)[0])
        # By token: after a lost connection MLflow's client sends a request again, and it may then be there twice.
        won = next((other for other in found.valid if other.token == entry.token), None)
        if won is None:
            raise conflict(kind, after, expected=before, found=found.head.after if found.head else None)
        return won

    def read(self) -> Replay:
        """Read the whole log."""
        return self._intact(self._whole(read_mark(self._client, self._model)))

    def survey(self) -> Survey:
        """Read the whole log, and report damage instead of raising it."""
        try:
            mark, damage = read_mark(self._client, self._model), ""
        except DamagedError as error:
            mark, damage = None, str(error)
        return Survey(self._whole(mark), mark, damage)

    def manifest(self, version: str) -> str:
        """Digest of a version's manifest when it became champion; empty if the log has none."""
        return self.read().manifest(version)

    def mark(self, head: Entry) -> None:
        """Keep the head's number and digest outside the log."""
        write_mark(self._client, self._model, self._seal(head.number))

    def is_marked(self, head: Entry) -> bool:
        """Whether the mark is that of the head."""
        mark = read_mark(self._client, self._model)
        return mark is not None and mark.number == head.number

    def _seal(self, number: int) -> Seal:
        # As MLflow gives the entry, since a newer palm may have written tags that this one does not know.
        return Seal.of(number, self._client.get_model_version(self.name, str(number)).tags)

    def _whole(self, mark: Seal | None) -> Replay:
        versions = [self._with_tags(version) for version in self._versions("ASC", page=1000)]
        newest = max((int(version.version) for version in versions), default=0)
        marked = mark.number if mark else 0
        return replay(_entries(versions, mark), last=max(newest, marked), marked=marked)

    def _stretch(self, first: int | None, mark: Seal | None = None) -> tuple[Replay, int]:
        """The entries from one that counts (unset: the one that the newest is built on) to the newest."""
        versions = []
        for version in map(self._with_tags, self._versions("DESC", page=_PAGE)):
            versions.append(version)
            if first is None:
                newest = Entry.of(version)
                first = newest.previous if newest else 0
            if int(version.version) <= max(first, 1):
                break
        if not versions:
            return replay([]), 0
        first, last = max(first, 1), int(versions[0].version)
        stretch = [version for version in versions if int(version.version) >= first]
        marked = mark.number if mark else 0
        return replay(_entries(stretch, mark), first, last=last, marked=marked), last

    def _versions(self, direction: str, *, page: int) -> Iterator:
        order = [f"version_number {direction}"]
        return all_pages(self._client.search_model_versions, f"name = '{self.name}'", max_results=page, order_by=order)

    def _with_tags(self, version):
        # MLflow selects a page's versions, then in a second query the tags of the page, which entries that were added
        # in between have shifted.
        return version if version.tags else self._client.get_model_version(self.name, version.version)

    def _intact(self, found: Replay) -> Replay:
        if not found.missing:
            return found
        entries = f"{'entry' if len(found.missing) == 1 else 'entries'} {', '.join(map(str, found.missing))}"
        raise DamagedError(
            f"promotion log {self.name}",
            rule=f"lacks {entries}: deleted or edited by somebody",
            remedy="run `palm repair CONFIG`, which records that and keeps the present champion",
        )


def _entries(versions: Sequence, mark: Seal | None) -> list[Entry]:
    """The entries that are as they were written, so far as a later entry or the mark seals them."""
    tags = {int(version.version): version.tags for version in versions}
    entries = [entry for version in versions if (entry := Entry.of(version))]
    seals = [seal for seal in (mark, *(entry.sealed for entry in entries)) if seal is not None]
    edited = {seal.number for seal in seals if seal.number in tags and not seal.fits(tags[seal.number])}
    return [entry for entry in entries if entry.number not in edited]


def conflict(kind: str, version: str, *, expected: str | None, found: str | None) -> ConflictError:
    """Error for a decision that was based on the champion `expected` while it is `found`."""
    error = ConflictError(
        f"{kind} of version {version}",
        rule=f"the champion is {_version(found)} now, this was decided when it was {_version(expected)}",
        remedy="run it again: it is then compared with the present champion",
    )
    error.champion = found
    return error


def _version(number: str | None) -> str:
    return f"version {number}" if number else "none"
