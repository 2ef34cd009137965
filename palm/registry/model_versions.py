"""Making a model version while others make theirs."""

import random
import time

_ATTEMPTS = 12
_LONGEST_WAIT_SECONDS = 1.0


def create_model_version(client, name: str, **fields) -> int:
    """Make a version of a registered model; its tags are there from the first moment.

    Args:
        client: an `MlflowClient`.
        name: the registered model.
        **fields: as `MlflowClient.create_model_version` takes them.

    Returns:
        Its number: one more than the largest ever given.
    """
    from mlflow.exceptions import MlflowException

    for attempt in range(_ATTEMPTS):
        try:
            # Versions are ready at once; waiting for it would be one more request.
            return int(client.create_model_version(name, await_creation_for=0, **fields).version)
        except MlflowException as error:
            # MLflow takes the largest number plus one and gives up when others were faster three times.
            if "Model Version creation error" not in str(error) or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(random.uniform(0, min(_LONGEST_WAIT_SECONDS, 0.02 * 2**attempt)))
    raise AssertionError("unreachable")
