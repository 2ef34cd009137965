"""Connection to MLflow: its address, PALM's credentials, and errors in one line."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from palm.config.pods import MLFLOW_KEYS, task_variable
from palm.config.portfolio import Registry
from palm.errors import RegistryError, without_credentials
from palm.registry.kfp_plugin import plugin_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

_OF_OTHERS = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME")
"""Variables that would add to runs and experiments which are not PALM's."""
_ADDRESS = "MLFLOW_TRACKING_URI"
_LOGIN = (*MLFLOW_KEYS, "MLFLOW_TRACKING_AUTH")


@contextmanager
def connected(registry: Registry) -> Iterator["MlflowClient"]:
    """Point MLflow to the configured server or SQLite file, with PALM's credentials.

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
    try:
        if uri.startswith("sqlite:///"):
            Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        with _own_environment(uri), _own_tracking_uri(uri):
            yield mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    except (MlflowException, RequestException, SQLAlchemyError, OSError) as error:
        reason = without_credentials(" ".join(str(error).split()))[:300]
        raise RegistryError(
            f"registry.tracking_uri={without_credentials(uri)}",
            rule=f"MLflow failed ({reason})",
            remedy="check that the server runs, the address and the credentials",
        ) from error


@contextmanager
def _own_tracking_uri(uri: str) -> Iterator[None]:
    """Set MLflow's address; afterwards the process has its own again, or that of MLFLOW_TRACKING_URI if it set none."""
    import mlflow

    variable = os.environ.pop(_ADDRESS, None)
    # Without the variable MLflow answers for the process alone.
    previous = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(uri)
    os.environ[_ADDRESS] = uri
    try:
        yield
    finally:
        mlflow.set_tracking_uri(previous)
        os.environ.pop(_ADDRESS, None)
        if variable is not None:
            os.environ[_ADDRESS] = variable


@contextmanager
def _own_environment(uri: str) -> Iterator[None]:
    """Hide what Kubeflow Pipelines' MLflow plugin has set for MLflow's client, and set PALM's credentials.

    If the plugin's server is PALM's and PALM has no credentials of its own, the plugin's credentials stay.
    """
    plugin = plugin_run()
    own = {key: os.environ[task_variable(key)] for key in MLFLOW_KEYS if task_variable(key) in os.environ}
    hidden = list(_OF_OTHERS)
    if own or (plugin and not plugin.is_at(uri)):
        hidden += _LOGIN
    if plugin and not plugin.is_at(uri):
        hidden.append("MLFLOW_WORKSPACE")
    before = {key: os.environ.pop(key) for key in hidden if key in os.environ}
    os.environ.update(own)
    try:
        yield
    finally:
        for key in own:
            os.environ.pop(key, None)
        os.environ.update(before)
