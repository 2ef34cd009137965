"""Connection to Kubeflow Pipelines, and one-line errors of its requests."""

import contextlib
import io
import json
import os
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from palm.errors import ClusterError

TOKEN, COOKIES = "PALM_KFP_TOKEN", "PALM_KFP_COOKIES"
"""Environment variables that may hold credentials, which are never read from the command line."""

_PAGE = 100
_CONFLICT = 409
# Where the kubelet puts a pod's token for Kubeflow Pipelines, as kfp knows it.
_POD_TOKEN = Path("/var/run/secrets/kubeflow/pipelines/token")


@dataclass(frozen=True)
class Address:
    """Address of Kubeflow Pipelines and credentials.

    Attributes:
        host: URL of its API or of its UI; None: the service in this cluster, or the one that kubectl reaches.
        namespace: Kubernetes namespace of runs, where Kubeflow Pipelines serves several; None: this pod's.
        token_file: file with a bearer token, read again for every request; None: this pod's, if there is one.
        ca_file: certificates to trust, PEM; None: the public ones.
        ui_host: URL of its UI, for links; None: the same as `host`.
    """

    host: str | None = None
    namespace: str | None = None
    token_file: Path | None = None
    ca_file: Path | None = None
    ui_host: str | None = None


@dataclass(frozen=True)
class Connection:
    """An open connection to Kubeflow Pipelines.

    Attributes:
        client: a `kfp.Client`.
        namespace: of runs and experiments; None where there is only one user.
        version: of its API server; None if unknown.
        ui_host: address of its UI, for links.
    """

    client: object
    host: str
    namespace: str | None
    version: str | None
    ui_host: str

    def run_link(self, run_id: str) -> str:
        """Address of a run's page."""
        return f"{self.ui_host.rstrip('/')}/#/runs/details/{run_id}"

    @contextlib.contextmanager
    def requests(self) -> Iterator:
        """Context of requests: yields the client; raises `ClusterError` if one fails."""
        with request_errors(self.host), contextlib.redirect_stdout(io.StringIO()):  # kfp prints links of its own.
            yield self.client

    def listed(self, request: Callable, entries: str, **arguments) -> Iterator:
        """All entries, by the name of the response's list, of one of the client's ``list_…`` methods, page by page."""
        token = ""
        while token is not None:
            with self.requests():
                page = request(page_token=token, page_size=_PAGE, **arguments)
            yield from getattr(page, entries) or ()
            token = page.next_page_token or None

    def found_or_made(self, find: Callable, make: Callable):
        """Find an object, or make it with the client; after a conflict, find what another call has just made."""
        found = find()
        if found is not None:
            return found
        try:
            with self.requests() as client:
                return make(client)
        except ClusterError as error:
            found = find() if getattr(error.__cause__, "status", None) == _CONFLICT else None
            if found is None:
                raise
            return found


def refuse_credentials(option: str, address: str | None, remedy: str) -> None:
    """Refuse an address that holds a user or a password: it would be shown in messages and logs."""
    if address is not None and "@" in urlsplit(_with_scheme(address)).netloc:
        raise ClusterError(option, rule="holds a user or password, which would be shown in messages", remedy=remedy)


def named(name: str) -> str:
    """Filter of a list request by display name."""
    return having("display_name", name)


def having(key: str, value: str) -> str:
    """Filter of a list request by the value of a key."""
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": key, "stringValue": value}]})


def connect(address: Address) -> Connection:
    """Open a connection and check that Kubeflow Pipelines answers."""
    for path in (address.token_file, address.ca_file):
        if path is not None and not os.access(path, os.R_OK):
            raise ClusterError(str(path), rule="cannot be read", remedy="give a file with the token or certificates")
    refuse_credentials("--host", address.host, f"use --token-file, {TOKEN} or {COOKIES}")
    refuse_credentials("--ui-host", address.ui_host, "the browser asks for them")
    host = _with_scheme(address.host)
    with request_errors(host), contextlib.redirect_stdout(io.StringIO()):
        client = _new_client(host, address)
        version = client.version()
    namespace = None
    if client.health.get("multi_user"):
        namespace = address.namespace or client.get_user_namespace()
        if not namespace:
            raise ClusterError(
                "--namespace is not given",
                rule=f"{client.host} serves several users, each in a namespace",
                remedy="give yours with --namespace",
            )
    return Connection(client, client.host, namespace, version, _with_scheme(address.ui_host) or client.host)


def _with_scheme(host: str | None) -> str | None:
    return host if host is None or re.match(r"https?://", host) else f"https://{host}"


def _new_client(host: str | None, address: Address):
    from kfp.client import ServiceAccountTokenVolumeCredentials

    from palm.cluster.kfp.api_client import ApiClient

    token = os.environ.get(TOKEN)
    token_file = address.token_file or (_POD_TOKEN if _POD_TOKEN.exists() else None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # kfp announces the versions of servers that it works with.
        client = ApiClient(
            host=host,
            existing_token=token,
            credentials=None if token or token_file is None else ServiceAccountTokenVolumeCredentials(str(token_file)),
            cookies=os.environ.get(COOKIES),
            ssl_ca_cert=None if address.ca_file is None else str(address.ca_file),
        )
    if client.health is None:
        client.get_kfp_healthz()
    return client


@contextlib.contextmanager
def request_errors(host: str | None) -> Iterator[None]:
    """Raise `ClusterError` about an address if a request fails."""
    import kfp_server_api
    import urllib3
    from google.auth.exceptions import GoogleAuthError

    what = "no --host" if host is None else f"host={host}"
    try:
        yield
    except kfp_server_api.ApiException as error:
        raise _refusal(what, error) from error
    except GoogleAuthError as error:
        raise ClusterError(
            what,
            rule=f"needs Google's log-in, which failed ({error})",
            remedy="log in, or unset KF_PIPELINES_IAP_OAUTH2_CLIENT_ID",
        ) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ClusterError(
            what,
            rule=f"cannot be reached ({_reason(error)})",
            remedy="check --host or PALM_KFP_HOST and the network; from outside the cluster, for instance `kubectl "
            "port-forward --namespace kubeflow svc/ml-pipeline-ui 8080:80` and --host http://localhost:8080",
        ) from error


def _refusal(what: str, error) -> ClusterError:
    message = _message(error)
    if error.status == 401:
        return ClusterError(
            what,
            rule=f"does not accept the credentials (401 {message})",
            remedy=f"the token has expired or is missing: get a new one for --token-file, {TOKEN} or {COOKIES}",
        )
    if error.status == 403:
        return ClusterError(
            what,
            rule=f"does not allow this request (403 {message})",
            remedy="check --namespace, and that the token is yours and has not expired; or ask for the right",
        )
    if error.status == 0:
        return ClusterError(
            what, rule=f"cannot be trusted ({message})", remedy="give the certificates it is signed with: --ca-file"
        )
    return ClusterError(
        what, rule=f"refuses the request ({error.status} {message})", remedy="see what it says; `palm doctor` may help"
    )


def _message(error) -> str:
    """The server's message, without headers, which hold cookies."""
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        body = json.loads(error.body)
        found = body.get("message") or body.get("error_message") or body.get("error")
        if isinstance(found, str):
            return found[:300]
    return " ".join(str(error.reason).split())[:300]


def _reason(error: Exception) -> str:
    while getattr(error, "reason", None) is not None and isinstance(error.reason, Exception):
        error = error.reason
    return re.sub(r"^<?[\w.]+\(.*?\)>?: ", "", str(error))[:300]
