"""Mark of the promotion log's head: its seal, in a tag of the portfolio's registered model.

The log alone does not show that its newest entries, or all of them, were deleted. The mark is written after an entry,
so it may be behind the log but never ahead of it.
"""

from pydantic import ValidationError

from palm.errors import DamagedError
from palm.promotion.seal import Seal
from palm.registry.client import Client
from palm.registry.retry import retry_on_conflict

_TAG = "palm.promotion_log"


def read_mark(client: Client, model: str) -> Seal | None:
    """The mark of a portfolio's log; None if there is no log, or only an older palm has written it."""
    found = client.search_registered_models(f"name = '{model}'")
    text = found[0].tags.get(_TAG) if found else None
    try:
        return None if text is None else Seal.model_validate_json(text)
    except ValidationError as error:
        raise DamagedError(
            f"{model}: tag {_TAG}",
            rule="is no mark of a promotion log: somebody has edited it",
            remedy="see `palm history CONFIG`, then run `palm repair CONFIG`, which writes it again",
        ) from error


def write_mark(client: Client, model: str, mark: Seal) -> None:
    """Set the mark."""
    retry_on_conflict(client.set_registered_model_tag, model, _TAG, mark.model_dump_json())
