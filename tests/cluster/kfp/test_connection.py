import socket
import subprocess
import sys
import time

import pytest
from flask import Flask, request
from support.cluster_commands import palm
from support.http_server import HttpServer

from palm.cluster.kfp.connection import Address, connect
from palm.errors import ClusterError

EXPIRED = "Request header error: the token is expired"


def runs(*arguments, environment=None):
    """The one line that `palm runs` ends with."""
    started = time.monotonic()
    result = palm("runs", *arguments, code=1, environment=environment)
    assert result.stdout == ""
    assert time.monotonic() - started < 15
    assert result.stderr.count("\n") == 1
    return result.stderr.rstrip("\n")


def test_an_unreachable_host_is_one_line_at_once():
    assert runs("--host", "http://127.0.0.1:9") == (
        "error: host=http://127.0.0.1:9: cannot be reached (Failed to establish a new connection: [Errno 111] "
        "Connection refused); check --host or PALM_KFP_HOST and the network; from outside the cluster, for instance "
        "`kubectl port-forward --namespace kubeflow svc/ml-pipeline-ui 8080:80` and --host http://localhost:8080"
    )


def test_a_name_that_nobody_has_and_a_host_without_a_scheme():
    line = runs(environment={"PALM_KFP_HOST": "nowhere.invalid"})
    assert line.startswith(
        "error: host=https://nowhere.invalid: cannot be reached (Failed to resolve 'nowhere.invalid'"
    )


def test_no_host_and_no_cluster():
    assert runs().startswith("error: no --host: cannot be reached (")


def test_a_host_that_accepts_and_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr("palm.cluster.kfp.api_client._TIMEOUT", (0.2, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert runs("--host", host).startswith(f"error: host={host}: cannot be reached (Read timed out. ")


def test_an_expired_token_is_one_line_without_the_token(kfp, tmp_path):
    kfp.token = "new"
    line = (
        f"error: host={kfp.url}: does not accept the credentials (401 {EXPIRED}); the token has expired or is missing: "
        "get a new one for --token-file, PALM_KFP_TOKEN or PALM_KFP_COOKIES"
    )
    (tmp_path / "token").write_text("old-secret\n")
    assert runs("--host", kfp.url, "--token-file", tmp_path / "token") == line
    assert runs("--host", kfp.url, environment={"PALM_KFP_TOKEN": "old-secret"}) == line
    assert runs("--host", kfp.url) == line


def test_a_token_file_is_read_again_for_every_request(kfp, tmp_path):
    kfp.token = "first"
    path = tmp_path / "token"
    path.write_text("first\n")
    connection = connect(Address(kfp.url, token_file=path))
    kfp.token = "second"
    path.write_text("second\n")
    with connection.requests() as client:
        assert client.list_experiments().total_size == 0


def test_cookies_are_sent(monkeypatch):
    app, seen = Flask(__name__), set()

    @app.get("/<path:path>")
    def answer(path):
        seen.add(request.headers["Cookie"])
        return {"multi_user": False}

    monkeypatch.setenv("PALM_KFP_COOKIES", "authservice_session=abc")
    with HttpServer(app) as server:
        connect(Address(server.url))
    assert seen == {"authservice_session=abc"}


def test_a_page_to_sign_in_is_not_taken_for_an_answer(kfp):
    kfp.page_to_sign_in = True
    assert runs("--host", kfp.url) == (
        f"error: host={kfp.url}: answers with text/html instead of JSON, such as a log-in page; give the address "
        "of the API, which often ends in /pipeline, and credentials that have not expired"
    )


def test_several_users_need_a_namespace(kfp):
    kfp.multi_user = True
    assert runs("--host", kfp.url) == (
        f"error: --namespace is not given: {kfp.url} serves several users, each in a namespace; give yours with "
        "--namespace"
    )
    assert connect(Address(kfp.url, namespace="alice")).namespace == "alice"


def test_a_namespace_says_nothing_where_there_is_one_user(kfp):
    connection = connect(Address(kfp.url, namespace="alice"))
    assert connection.namespace is None and connection.version == "2.17.0"


@pytest.mark.parametrize("option", ["--token-file", "--ca-file"])
def test_a_file_that_is_not_there(option, kfp, tmp_path):
    line = runs("--host", kfp.url, option, tmp_path / "none")
    assert line == f"error: {tmp_path / 'none'}: cannot be read; give a file with the token or certificates"


def test_lists_have_pages(kfp, monkeypatch):
    monkeypatch.setattr("palm.cluster.kfp.connection._PAGE", 2)
    connection = connect(Address(kfp.url))
    for name in "abcde":
        with connection.requests() as client:
            client.create_experiment(name)
    found = connection.listed(connection.client.list_experiments, "experiments")
    assert [experiment.display_name for experiment in found] == list("abcde")


def test_kfp_prints_nothing_of_its_own(kfp, capsys):
    with connect(Address(kfp.url)).requests() as client:
        client.create_experiment("palm")
    assert capsys.readouterr() == ("", "")


def test_help_loads_no_kfp():
    """The commands of one machine must not wait for it."""
    code = (
        "import sys; import palm.cli.main; "
        "sys.exit(any(name in sys.modules for name in ('kfp', 'kubernetes', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_what_the_server_refuses_is_repeated_in_one_line(kfp):
    connection = connect(Address(kfp.url))
    with pytest.raises(ClusterError) as error, connection.requests() as client:
        client.get_run("no-such-run")
    assert str(error.value) == (
        f"host={kfp.url}: refuses the request (404 Run no-such-run not found); see what it says; `palm doctor` may help"
    )
