"""Vetoes: what a person has rolled back from, a run does not promote again; only a person ends that."""

from collections.abc import Callable, Sequence

from palm.promotion.entry import REPAIR, ROLLBACK, Entry
from palm.promotion.rollback import step


def veto(entries: Sequence[Entry], version: str, policies_of: Callable[[str], str]) -> Entry | None:
    """The rollback that keeps a run from promoting a version; None if there is none.

    Args:
        entries: the entries of a log that count, oldest first.
        policies_of: digest of the policies of a version, empty if it is not known. Another version of the same
            policies is the same to those who are answered, whatever configuration has selected them.
    """
    logged = {entry.after: entry.policies for entry in entries if entry.policies}
    for other, rollback in _rolled_back(entries).items():
        if other == version:
            return rollback
        policies = logged.get(other) or policies_of(other)
        # Who went back to the same policies has taken back a version, e.g. its routing, not what it answers with.
        if policies and policies != rollback.policies and policies == policies_of(version):
            return rollback
    return None


def _rolled_back(entries: Sequence[Entry]) -> dict[str, Entry]:
    """Versions that were rolled back from and not promoted by a person since, each with its rollback."""
    past = [entries[0].before] if entries and entries[0].before else []
    policies = {entry.after: entry.policies for entry in entries}
    found: dict[str, Entry] = {}
    for entry in entries:
        taken = step(past, entry)
        if entry.kind == ROLLBACK:
            found |= dict.fromkeys(taken, entry)
        if entry.kind != REPAIR:
            found = {
                version: rollback
                for version, rollback in found.items()
                if rollback is entry
                or (version != entry.after and (not entry.policies or policies.get(version) != entry.policies))
            }
    return found
