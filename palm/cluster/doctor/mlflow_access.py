"""The check that MLflow answers pods: its server accepts only requests for the host names that it knows."""

import re
from urllib.parse import urlsplit

from palm.cluster.kfp.connection import refuse_credentials
from palm.cluster.kfp.input_files import check_tracking_uri
from palm.config.portfolio import Registry
from palm.errors import ClusterError
from palm.registry.connection import connected

_SECONDS = 20
_REMEDY = (
    "check registry.tracking_uri; if only pods reach it: `kubectl port-forward svc/mlflow 5000`, and --mlflow-address "
    "http://localhost:5000"
)
_TLS_REMEDY = (
    "trust its authority: here by MLFLOW_TRACKING_SERVER_CERT_PATH or REQUESTS_CA_BUNDLE, in pods by "
    "cluster.ca_config_map"
)


def check_mlflow(tracking_uri: str, address: str | None, workspace: str | None = None) -> str:
    """Send MLflow a request with the host name that pods use; returns a line about what was found.

    Args:
        tracking_uri: as in the configuration.
        address: the same server, as this machine reaches it; None: by ``tracking_uri``.
        workspace: as in the configuration.
    """
    check_tracking_uri(tracking_uri)
    for option, given in (("--tracking-uri", tracking_uri), ("--mlflow-address", address)):
        refuse_credentials(option, given, "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
        if given is not None and not re.match(r"https?://[^/]", given):
            raise ClusterError(f"{option}={given}", rule="must be http://… or https://…", remedy="correct the address")
    reached = (address or tracking_uri).rstrip("/")
    name = urlsplit(tracking_uri).netloc
    answer = _request(reached, name, workspace)
    _check_answer(answer, reached, name)
    return f"{reached} answers to the name {name}, by which pods call it"


def _request(reached: str, name: str, workspace: str | None):
    """Ask MLflow as its client does, which reads certificates and credentials from variables of its own."""
    with connected(Registry(tracking_uri=reached, workspace=workspace, experiment="doctor", model="doctor")):
        from mlflow.exceptions import MlflowException
        from mlflow.utils.credentials import get_default_host_creds
        from mlflow.utils.rest_utils import http_request

        try:
            return http_request(
                get_default_host_creds(reached),
                "/api/2.0/mlflow/experiments/search",
                "GET",
                max_retries=0,
                raise_on_status=False,
                timeout=_SECONDS,
                extra_headers={"Host": name},
                params={"max_results": 1},
                allow_redirects=False,
            )
        except MlflowException as error:
            reason = _reason(error.__cause__ or error.__context__ or error)
            raise ClusterError(
                f"MLflow at {reached}",
                rule=f"cannot be reached ({reason})",
                remedy=_TLS_REMEDY if "certificate" in reason.lower() else _REMEDY,
            ) from error


def _check_answer(answer, reached: str, name: str) -> None:
    what = f"MLflow at {reached}"
    if answer.status_code == 403 and "host" in answer.text.lower():
        host = name.partition(":")[0]
        raise ClusterError(
            what,
            rule=f"refuses requests to the name {name}, by which pods call it (403 {_short(answer.text)})",
            remedy=f"start it with --allowed-hosts '{host},{host}:*,localhost,localhost:*,127.0.0.1:*' (the list "
            "replaces the default)",
        )
    if answer.status_code in (401, 403):
        raise ClusterError(
            what,
            rule=f"does not accept the credentials ({answer.status_code} {_short(answer.text)})",
            remedy="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, here and in "
            "the Secret",
        )
    is_json = answer.headers.get("Content-Type", "").startswith("application/json")
    if answer.status_code != 200 or not is_json:
        raise ClusterError(
            what,
            rule=f"does not answer like MLflow ({answer.status_code} {_short(answer.text)})",
            remedy="check the address",
        )


def _short(text: str) -> str:
    return " ".join(text.split())[:150]


def _reason(error: Exception) -> str:
    """The innermost cause of a connection's failure, which requests and urllib3 wrap."""
    inner = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
    return _short(str(getattr(inner, "reason", inner)).rpartition(": ")[2])
