"""The connection to MLflow: one place that opens it, and tells when it cannot."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from palm.config.portfolio import Registry
from palm.errors import RegistryError
from palm.registry.environment import own_environment


@contextmanager
def connected(registry: Registry) -> Iterator:
    """Point MLflow to the configured server or SQLite file.

    Args:
        registry: where it is.

    Yields:
        An `mlflow.MlflowClient`.

    Raises:
        RegistryError: MLflow cannot be reached or refuses the request.
    """
    # Retries are MLflow's own; its default of 7 with exponential back-off hides a dead server for minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    # After the import, which sets levels of its own.
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    uri = registry.tracking_uri
    previous = mlflow.get_tracking_uri()
    try:
        if uri.startswith("sqlite:///"):
            Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(uri)
        with own_environment(uri):
            yield mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    except (MlflowException, RequestException, SQLAlchemyError, OSError) as error:
        reason = without_credentials(" ".join(str(error).split()))[:300]
        raise RegistryError(
            f"registry.tracking_uri={without_credentials(uri)}",
            rule=f"MLflow failed ({reason})",
            remedy="check that the server runs, the address and the credentials",
        ) from error
    finally:
        mlflow.set_tracking_uri(previous)


def without_credentials(text: str) -> str:
    """Take `user:password@` out of every address in a text that people and logs will see."""
    return re.sub(r"://\S*@", "://", text)
