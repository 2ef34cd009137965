"""Asking MLflow again when it failed only because somebody else asked for the same at that moment."""

import random
import time
from collections.abc import Callable

_ATTEMPTS = 12
_LONGEST_WAIT_SECONDS = 1.0
# Where MLflow looks first and inserts then, the slower of two breaks a rule of the database; a version's number is
# the largest plus one, and MLflow itself gives up when others were faster three times.
_OTHERS_WERE_FASTER = ("IntegrityError", "UniqueViolation", "Model Version creation error")


def again(call: Callable, *arguments, **options):
    """Call what may be repeated, until it does not collide with the same call of others.

    Args:
        call: asks MLflow.
        *arguments: of the call.
        **options: of the call.

    Returns:
        What the call returns.
    """
    from mlflow.exceptions import MlflowException

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return call(*arguments, **options)
        except MlflowException as error:
            if attempt == _ATTEMPTS or not any(words in str(error) for words in _OTHERS_WERE_FASTER):
                raise
            time.sleep(random.uniform(0, min(_LONGEST_WAIT_SECONDS, 0.02 * 2**attempt)))
    raise AssertionError("unreachable")
