"""Replay of the promotion log: the entries that count, the same for every reader, as entries never change.

An entry counts if the head that its writer saw is still the head when its turn comes. Of several writers that saw the
same head the first one wins, and the others' entries are void: the numbers that MLflow gives make a compare-and-set.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from palm.promotion.entry import Entry


@dataclass(frozen=True)
class Replay:
    """Entries of a stretch of the log.

    Attributes:
        valid: the entries that count, oldest first; the last one is the head.
        void: entries that lost a race.
        missing: numbers of deleted or edited entries that no repair has recorded.
        gaps: numbers of all deleted or edited entries.
    """

    valid: tuple[Entry, ...]
    void: tuple[Entry, ...]
    missing: tuple[int, ...]
    gaps: tuple[int, ...]

    @property
    def head(self) -> Entry | None:
        """The last entry that counts; None for an empty log."""
        return self.valid[-1] if self.valid else None

    def manifest(self, version: str) -> str:
        """Digest of a version's manifest when it became champion; empty if no entry has it."""
        return next((entry.manifest for entry in self.valid if entry.after == version and entry.manifest), "")


def replay(entries: Iterable[Entry], first: int = 1, *, last: int = 0, marked: int = 0) -> Replay:
    """Decide which entries of a stretch of the log count.

    Args:
        entries: those that are there.
        first: number of the first one, 1 or an entry known to count.
        last: a number that was given, if it is known; the last entries may have been deleted.
        marked: number of an entry that was the head, if one is known.
    """
    entries = tuple(entries)
    # Of a log that was deleted as a whole the numbers are given again.
    noted = {number for entry in entries for number in entry.missing if number < entry.number}
    by_number = {entry.number: entry for entry in entries if entry.number not in noted}
    built_upon = {entry.previous for entry in by_number.values()}
    # The first, as an entry that lost can be edited to be built on another one.
    winner: dict[int, int] = {}
    for number in sorted({*built_upon, marked} & by_number.keys()):
        winner.setdefault(by_number[number].previous, number)
    valid, void, gaps = [], [], []
    head = by_number[first].previous if first > 1 and first in by_number else 0
    for number in range(first, max(last, *by_number, 0) + 1):
        entry = by_number.get(number)
        if entry is None:
            gaps.append(number)
            # Only entries that count are built upon, so this one did.
            head = number if number in built_upon else head
        elif entry.previous == head and winner.get(head, number) != number:
            # It lost then, and was edited to have won.
            gaps.append(number)
        elif entry.previous == head:
            valid.append(entry)
            head = number
        else:
            void.append(entry)
    missing = tuple(number for number in gaps if number not in noted)
    return Replay(tuple(valid), tuple(void), missing, tuple(gaps))
