"""Seal of an entry of the promotion log: its digest, kept elsewhere, so that an edit of the entry shows."""

from collections.abc import Mapping
from typing import Self

from palm.artifacts.base import Part
from palm.storage.digest import value_digest


class Seal(Part):
    """Digest of an entry.

    Attributes:
        number: the entry's.
        keys: tags of the entry that the digest covers: those that its palm has written.
    """

    number: int
    keys: tuple[str, ...]
    sha256: str

    @classmethod
    def of(cls, number: int, tags: Mapping[str, str]) -> Self:
        """The seal of an entry."""
        return cls(number=number, keys=tuple(sorted(tags)), sha256=value_digest(dict(tags)))

    def fits(self, tags: Mapping[str, str]) -> bool:
        """Whether an entry's tags are as they were."""
        return value_digest({key: tags[key] for key in self.keys if key in tags}) == self.sha256
