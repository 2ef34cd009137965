"""The check that MLflow answers pods: its server accepts only requests for the host names that it knows."""

import os
from urllib.parse import urlsplit

from palm.cluster.kfp.connection import refuse_credentials
from palm.cluster.kfp.input_files import check_tracking_uri
from palm.errors import ClusterError

_SECONDS = 20


def check_mlflow(tracking_uri: str, address: str | None) -> str:
    """Send MLflow a request with the host name that pods use; returns a line about what was found.

    Args:
        tracking_uri: as in the configuration.
        address: the same server, as this machine reaches it; None: by ``tracking_uri``.
    """
    import requests

    check_tracking_uri(tracking_uri)
    for option, given in (("--tracking-uri", tracking_uri), ("--mlflow-address", address)):
        refuse_credentials(option, given, "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
    reached = (address or tracking_uri).rstrip("/")
    name = urlsplit(tracking_uri).netloc
    headers = {"Host": name}
    token, user = os.environ.get("MLFLOW_TRACKING_TOKEN"), os.environ.get("MLFLOW_TRACKING_USERNAME")
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        answer = requests.get(
            f"{reached}/api/2.0/mlflow/experiments/search",
            params={"max_results": 1},
            headers=headers,
            auth=(user, os.environ.get("MLFLOW_TRACKING_PASSWORD", "")) if user and not token else None,
            timeout=_SECONDS,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise ClusterError(
            f"MLflow at {reached}",
            rule=f"cannot be reached ({_reason(error)})",
            remedy="check registry.tracking_uri; if only pods reach it: `kubectl port-forward svc/mlflow 5000`, and "
            "--mlflow-address http://localhost:5000",
        ) from error
    _check_answer(answer, reached, name)
    return f"{reached} answers to the name {name}, by which pods call it"


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
