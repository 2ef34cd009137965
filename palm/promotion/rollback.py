"""Versions that a rollback can go back to."""

from collections.abc import Sequence

from palm.errors import RegistryError
from palm.promotion.entry import ROLLBACK, Entry


def champions(entries: Sequence[Entry]) -> list[str]:
    """Versions that were champion, without those that a rollback has taken back; the present champion is the last.

    Args:
        entries: the entries of a log that count, oldest first.
    """
    past = [entries[0].before] if entries and entries[0].before else []
    for entry in entries:
        step(past, entry)
    return past


def step(past: list[str], entry: Entry) -> list[str]:
    """Carry past champions over an entry of the log; the versions that it takes back, if it is a rollback."""
    taken = [entry.before] if entry.before else []
    if entry.kind == ROLLBACK and entry.after in past:
        while past[-1] != entry.after:
            taken.append(past.pop())
    elif not past or past[-1] != entry.after:
        past.append(entry.after)
    return taken


def earlier_champion(model: str, entries: Sequence[Entry], to: str | None) -> str:
    """Version that a rollback makes champion: `to`, or the champion before the present one."""
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
            remedy=f"choose one of {', '.join(others)}" if others else "promote one first",
        )
    return to
