"""Mark of the promotion log's head, a tag of the portfolio's registered model.

The log alone does not show that its newest entries, or all of them, were deleted. The mark is written after an entry,
so it may be behind the log but never ahead of it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

from palm.errors import DamagedError
from palm.registry.client import Client
from palm.registry.retry import retry_on_conflict
from palm.storage.digest import value_digest

_TAG = "palm.promotion_log"


@dataclass(frozen=True)
class HeadMark:
    """An entry that was the head.

    Attributes:
        number: the entry's.
        keys: tags of the entry that the digest covers: those that its palm has written.
    """

    number: int
    keys: list[str]
    sha256: str

    @classmethod
    def of(cls, number: int, tags: Mapping[str, str]) -> Self:
        """The mark of an entry."""
        return cls(number, sorted(tags), value_digest(dict(tags)))

    def fits(self, tags: Mapping[str, str]) -> bool:
        """Whether an entry's tags are as they were."""
        return value_digest({key: tags[key] for key in self.keys if key in tags}) == self.sha256


def read_mark(client: Client, model: str) -> HeadMark | None:
    """The mark of a portfolio's log; None if there is no log, or only an older palm has written it."""
    found = client.search_registered_models(f"name = '{model}'")
    text = found[0].tags.get(_TAG) if found else None
    try:
        return None if text is None else HeadMark(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise DamagedError(
            f"{model}: tag {_TAG}",
            rule="is no mark of a promotion log",
            remedy="delete this tag, which somebody has edited, and see `palm history CONFIG`",
        ) from error


def write_mark(client: Client, model: str, mark: HeadMark) -> None:
    """Set the mark."""
    retry_on_conflict(client.set_registered_model_tag, model, _TAG, json.dumps(asdict(mark)))
