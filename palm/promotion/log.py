"""Promotion log: an append-only registered model, `<name>-promotions`, each version of which is an entry.

The log is the authority on who was champion when; the alias `champion` follows it (`palm.promotion.alias`), as
MLflow's alias alone has no precondition and no history. The head is found at the end of the log: an entry names the
head that its writer saw, which counts, so replay begins there. A mark elsewhere (`palm.promotion.head_mark`) tells
where the end was.
"""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from palm.artifacts.verdict import Judgement
from palm.config.portfolio import LOG_SUFFIX
from palm.errors import ConflictError, DamagedError
from palm.promotion.entry import Entry
from palm.promotion.head_mark import HeadMark, read_mark, write_mark
from palm.promotion.replay import Replay, replay
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


class PromotionLog:
    """The log of one portfolio."""

    def __init__(self, client: Client, model: str):
        self._client, self._model = client, model
        self.name = f"{model}{LOG_SUFFIX}"

    def tail(self) -> Tail:
        """Read the end of the log; DamagedError if an entry was deleted or edited."""
        # The mark first: the log only grows meanwhile.
        mark = read_mark(self._client, self._model)
        found, newest = self._stretch(None, mark)
        if mark is not None and (found.head is None or found.head.number != mark.number):
            found = self._whole(mark)
        if found.missing:
            raise self._damaged(found.missing)
        return Tail(found.head, newest)

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
        entry = Entry(
            number=0,
            previous=seen.head.number if seen.head else 0,
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
        found, _ = self._stretch(entry.previous)
        if found.missing:
            raise self._damaged(found.missing)
        # By token: after a lost connection MLflow's client sends a request again, and it may then be there twice.
        won = next((other for other in found.valid if other.token == entry.token), None)
        if won is None:
            raise conflict(kind, after, expected=before, found=found.head.after if found.head else None)
        return won

    def read(self) -> Replay:
        """Read the whole log; entries that were deleted or edited are reported in the result, not raised."""
        return self._whole(read_mark(self._client, self._model))

    def manifest(self, version: str) -> str:
        """Digest of a version's manifest when it became champion; empty if the log has none."""
        return next((entry.manifest for entry in self.read().valid if entry.after == version and entry.manifest), "")

    def mark(self, head: Entry) -> None:
        """Keep the head's number and digest outside the log."""
        # As MLflow gives the entry, since a newer palm may have written tags that this one does not know.
        tags = self._client.get_model_version(self.name, str(head.number)).tags
        write_mark(self._client, self._model, HeadMark.of(head.number, tags))

    def _whole(self, mark: HeadMark | None) -> Replay:
        entries = self._entries(self._versions("ASC", page=1000), mark)
        return replay(entries, last=mark.number if mark else 0)

    def _stretch(self, first: int | None, mark: HeadMark | None = None) -> tuple[Replay, int]:
        """The entries from one that counts (unset: the one that the newest is built on) to the newest."""
        versions = []
        for version in self._versions("DESC", page=_PAGE):
            versions.append(version)
            first = Entry.of(self._with_tags(version)).previous if first is None else first
            if int(version.version) <= max(first, 1):
                break
        if not versions:
            return replay([]), 0
        first = max(first, 1)
        stretch = [version for version in versions if int(version.version) >= first]
        return replay(self._entries(stretch, mark), first), int(versions[0].version)

    def _versions(self, direction: str, *, page: int) -> Iterator:
        order = [f"version_number {direction}"]
        return all_pages(self._client.search_model_versions, f"name = '{self.name}'", max_results=page, order_by=order)

    def _entries(self, versions: Iterable, mark: HeadMark | None) -> list[Entry]:
        """Entries without the marked one if it was edited."""
        found = map(self._with_tags, versions)
        intact = [version for version in found if not _edited(version, mark)]
        return [Entry.of(version) for version in intact]

    def _with_tags(self, version):
        # MLflow selects a page's versions, then in a second query the tags of the page, which entries that were added
        # in between have shifted.
        return version if version.tags else self._client.get_model_version(self.name, version.version)

    def _damaged(self, missing: tuple[int, ...]) -> DamagedError:
        entries = f"{'entry' if len(missing) == 1 else 'entries'} {', '.join(map(str, missing))}"
        return DamagedError(
            f"promotion log {self.name}",
            rule=f"lacks {entries}: deleted or edited by somebody",
            remedy="run `palm repair CONFIG`, which records that and keeps the present champion",
        )


def _edited(version, mark: HeadMark | None) -> bool:
    return mark is not None and int(version.version) == mark.number and not mark.fits(version.tags)


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
