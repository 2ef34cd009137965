"""Retries of calls to MLflow that failed only because another process made the same call at that moment."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from palm.errors import RegistryError

_ATTEMPTS = 12
_LONGEST_WAIT_SECONDS = 1.0
# MLflow looks first and inserts then: the slower of two processes violates a constraint of the database. A version's
# number is the largest plus one, and MLflow gives up after losing three times.
_CONFLICTS = ("IntegrityError", "UniqueViolation", "Model Version creation error")

Result = TypeVar("Result")


def retry_on_conflict(call: Callable[..., Result], *arguments, **options) -> Result:
    """Call an idempotent function, repeatedly while it conflicts with the same call of other processes."""
    for attempt in range(1, _ATTEMPTS):
        try:
            return call(*arguments, **options)
        except RegistryError as error:
            if not any(words in str(error.__cause__) for words in _CONFLICTS):
                raise
            time.sleep(random.uniform(0, min(_LONGEST_WAIT_SECONDS, 0.02 * 2**attempt)))
    return call(*arguments, **options)
