"""The promotion log: an append-only registered model, `<name>-promotions`, one version of it an entry.

It is the truth of who was champion when; the alias `champion` of the portfolio is its projection
(`palm.promotion.alias`). MLflow's alias alone has no precondition and no history. The head is found in one request:
an entry names the head that its writer saw, which counts, so replay begins there.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from palm.errors import ConflictError, DamagedError
from palm.promotion.entry import Entry, entry_of
from palm.promotion.replay import Replay, replay
from palm.registry.retry import again

_PAGE = 12
_SHOWN = 1000
"""Characters of a description, for which MLflow's databases have room for 5000; the tags hold all."""
_SOURCE = "palm:/promotion-log"
"""An entry has no files, but MLflow wants a source."""


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
    """The log of one portfolio.

    Args:
        client: an `MlflowClient`.
        model: registered model of the portfolio.
    """

    def __init__(self, client, model: str):
        self._client, self._model = client, model
        self.name = f"{model}-promotions"

    def tail(self) -> Tail:
        """Read the end of the log, in one request unless many writers have lost since the head.

        Returns:
            The head and the newest number.

        Raises:
            DamagedError: an entry was deleted.
        """
        found, newest = self._stretch(None)
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
        gate: dict | None = None,
        missing: tuple[int, ...] = (),
    ) -> Entry:
        """Write an entry, if the head is still the one that was seen.

        Args:
            seen: the end of the log that the decision was made on.
            before: the champion then.
            after: the champion to be.
            kind: ``promotion``, ``rollback`` or ``repair``.
            why: the reason.
            who: who does it.
            gate: the gate's figures.
            missing: numbers of deleted entries that this one takes note of.

        Returns:
            The entry, which is the head now or was for a moment.

        Raises:
            ConflictError: somebody else was first; the log's head is theirs and nothing else was changed.
            DamagedError: an entry was deleted.
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
            gate=gate or {},
            token=uuid.uuid4().hex,
            missing=missing,
        )
        if seen.newest == 0:
            self._create()
        created = again(
            self._client.create_model_version,
            self.name,
            source=_SOURCE,
            # It is ready at once; waiting for that would be one more request.
            await_creation_for=0,
            tags=entry.to_tags(),
            description=f"{kind}: {before or 'none'} → {after}; {why}"[:_SHOWN],
        )
        number = int(created.version)
        if number == seen.newest + 1:
            return entry_with_number(entry, number)
        found, _ = self._stretch(entry.previous)
        # By token, as a request that the connection was lost for is sent again and may then be there twice.
        won = next((other for other in found.valid if other.token == entry.token), None)
        if won is None:
            raise conflict(kind, after, expected=before, found=found.head.after if found.head else None)
        return won

    def read(self) -> Replay:
        """Read the whole log.

        Returns:
            Every entry; deleted ones are told, not raised.

        Raises:
            DamagedError: a version is no entry at all.
        """
        entries, token = [], None
        while True:
            page = self._page(token, "ASC", size=1000)
            entries += [self._entry(version) for version in page]
            token = page.token
            if not token:
                return replay(entries)

    def _stretch(self, first: int | None) -> tuple[Replay, int]:
        """The entries from one that counts (unset: the one that the newest is built on) to the newest."""
        versions, token = [], None
        while True:
            page = self._page(token, "DESC", size=_PAGE)
            versions += page
            if not versions:
                return replay([]), 0
            first = self._entry(versions[0]).previous if first is None else first
            token = page.token
            if int(versions[-1].version) <= first or not token:
                break
        first = max(first, 1)
        found = replay([self._entry(version) for version in versions if int(version.version) >= first], first)
        if found.missing:
            raise self._damaged(found.missing)
        return found, int(versions[0].version)

    def _page(self, token: str | None, direction: str, *, size: int):
        return self._client.search_model_versions(
            f"name = '{self.name}'", max_results=size, order_by=[f"version_number {direction}"], page_token=token
        )

    def _entry(self, version) -> Entry:
        if not version.tags:
            # MLflow selects a page's versions, then in a second query the tags of the page, which entries that were
            # added in between have shifted.
            version = self._client.get_model_version(self.name, version.version)
        return entry_of(version)

    def _create(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(
                self.name,
                description=f"Who was champion of {self._model} when, and why: one version is one entry. "
                "Written by palm; never edit or delete any (`palm history` tells if somebody did).",
            )
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _damaged(self, missing: tuple[int, ...]) -> DamagedError:
        return DamagedError(
            f"promotion log {self.name}",
            rule=f"lacks {_entries(missing)}, which somebody has deleted",
            remedy="run `palm repair CONFIG`, which takes note of it and keeps the present champion",
        )


def entry_with_number(entry: Entry, number: int) -> Entry:
    """The entry as the log holds it."""
    return Entry(**{**vars(entry), "number": number})


def _entries(numbers: tuple[int, ...]) -> str:
    return f"{'entry' if len(numbers) == 1 else 'entries'} {', '.join(map(str, numbers))}"


def conflict(kind: str, version: str, *, expected: str | None, found: str | None) -> ConflictError:
    """Tell that the champion is another one than somebody decided upon.

    Args:
        kind: what was tried.
        version: the champion to be.
        expected: the champion that was decided upon.
        found: the champion now.

    Returns:
        The error, to be raised.
    """
    error = ConflictError(
        f"{kind} of version {version}",
        rule=f"the champion is {_version(found)} by now, this was decided when it was {_version(expected)}",
        remedy="run it again: it is compared with the present champion then",
    )
    error.champion = found
    return error


def _version(number: str | None) -> str:
    return f"version {number}" if number else "none"
