"""Connection to MLflow: its address, PALM's credentials, and errors in one line.

What the environment or the process has set for MLflow otherwise (another registry, a run, an experiment) is hidden
while PALM talks to it: the configuration alone says where a portfolio is.
"""

import logging
import os
import threading
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

_VARIABLES = ("MLFLOW_", "_MLFLOW_")
"""How the names of MLflow's variables begin."""
_LOGIN = (*MLFLOW_KEYS, "MLFLOW_TRACKING_AUTH")
_ACCESS = (
    *_LOGIN,
    "MLFLOW_TRACKING_AWS_SIGV4",
    "MLFLOW_TRACKING_INSECURE_TLS",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "MLFLOW_ALLOW_HTTP_REDIRECTS",
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT",
    "MLFLOW_DOWNLOAD_CHUNK_TIMEOUT",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR",
    "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE",
    "MLFLOW_DISABLE_TELEMETRY",
    "MLFLOW_LOGGING_LEVEL",
)
_ACCESS_GROUPS = (
    "MLFLOW_HTTP_",
    "MLFLOW_S3_",
    "MLFLOW_GCS_",
    "MLFLOW_KERBEROS_",
    "MLFLOW_PYARROW_",
    "MLFLOW_MULTIPART_",
    "MLFLOW_ENABLE_MULTIPART_",
    "MLFLOW_ENABLE_PROXY_MULTIPART_",
    "MLFLOW_SQLALCHEMYSTORE_",
)
"""Variables that say how MLflow is reached, never which one: by name, and by how their names begin."""
_DEFAULTS = {
    # Retries are MLflow's own; its default of 7 with exponential back-off hides a dead server for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
_WORKSPACE = "MLFLOW_WORKSPACE"
_NOWHERE = "palm:/nowhere"
_LOCK = threading.RLock()
"""Environment and address belong to the whole process."""


@contextmanager
def connected(registry: Registry) -> Iterator["MlflowClient"]:
    """Point MLflow to the configured server or SQLite file alone, with PALM's credentials.

    Raises:
        RegistryError: MLflow cannot be reached or refuses the request, or MLFLOW_WORKSPACE contradicts the registry.
    """
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
        with _LOCK, _own_environment(_variables(registry)), _own_addresses(uri):
            yield mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    except (MlflowException, RequestException, SQLAlchemyError, OSError) as error:
        reason = without_credentials(" ".join(str(error).split()))[:300]
        raise RegistryError(
            f"registry.tracking_uri={without_credentials(uri)}",
            rule=f"MLflow failed ({reason})",
            remedy="check that the server runs, the address and the credentials",
        ) from error


def _variables(registry: Registry) -> dict[str, str]:
    """MLflow's variables for a registry: access as the user has set it, or as Kubeflow Pipelines' plugin has.

    The plugin's credentials are used only if its server is PALM's and PALM has no credentials of its own.
    """
    access = {
        name: value for name, value in _set_variables().items() if name in _ACCESS or name.startswith(_ACCESS_GROUPS)
    }
    own = {key: os.environ[task_variable(key)] for key in MLFLOW_KEYS if task_variable(key) in os.environ}
    plugin = plugin_run()
    if own or (plugin and not plugin.is_at(registry.tracking_uri)):
        access = {name: value for name, value in access.items() if name not in _LOGIN}
    workspace = _workspace(registry)
    return _DEFAULTS | access | own | ({_WORKSPACE: workspace} if workspace else {})


def workspace_of_process() -> str | None:
    """Workspace of an address that this process uses already, and that is in no configuration."""
    # The plugin of Kubeflow Pipelines sets the variable for its own server.
    return None if plugin_run() else os.environ.get(_WORKSPACE) or None


def _workspace(registry: Registry) -> str | None:
    """Workspace of the server; that of the plugin if it is there and the configuration names none."""
    given, plugin = os.environ.get(_WORKSPACE, ""), plugin_run()
    if not registry.tracking_uri.startswith("http"):
        return None
    if plugin:
        return registry.workspace or (given if plugin.is_at(registry.tracking_uri) else None)
    if given and given != registry.workspace:
        raise RegistryError(
            f"{_WORKSPACE}={given}",
            rule=f"is another workspace than the configuration's, {registry.workspace or 'none'}",
            remedy="unset it, or name it as registry.workspace",
        )
    return registry.workspace


def _set_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)}


@contextmanager
def _own_environment(variables: dict[str, str]) -> Iterator[None]:
    """Set MLflow's variables to these alone; afterwards they are what they were."""
    before = _set_variables()
    _replace(variables)
    try:
        yield
    finally:
        _replace(before)


def _replace(variables: dict[str, str]) -> None:
    for name in _set_variables():
        del os.environ[name]
    os.environ.update(variables)


@contextmanager
def _own_addresses(uri: str) -> Iterator[None]:
    """Set MLflow's address and that of its registry; afterwards the process has its own again, if it had set any."""
    import mlflow

    # MLflow's variables are hidden here, so that it answers for the process alone.
    tracking = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(_NOWHERE)
    # Without an address of its own the registry is where the runs are.
    registry = mlflow.get_registry_uri()
    try:
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        yield
    finally:
        mlflow.set_registry_uri(None if registry == _NOWHERE else registry)
        mlflow.set_tracking_uri(tracking)
