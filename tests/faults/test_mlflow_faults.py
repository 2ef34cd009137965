"""MLflow or the builder is killed in the middle of a registration or a promotion; the next attempt leaves one state."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest
from support.concurrent_register import check_one_of_each, register_at_once
from support.mlflow_server import USER, MlflowServer
from support.small_portfolio import make_versions, promote, write_small_portfolio
from support.workspace import edit_config

from palm.config.load import load_config
from palm.promotion import promotions
from palm.registry.runs import builds_of

TESTS = Path(__file__).parents[1]
# Requests of a registration, in their order; the kill comes when MLflow has answered one.
MOMENTS = ("runs/create", "logged-models", "model-versions/create")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlflow")
    server = MlflowServer(folder, password="a-long-password-of-tests").start()
    yield server
    server.kill()


@pytest.fixture
def place(workspace, server, monkeypatch):
    """A configuration with an experiment and a model of its own; a dead server is an error soon."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", USER)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", server.password)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    own = f"small-{secrets.token_hex(4)}"
    return edit_config(workspace, registry__tracking_uri=server.uri, registry__experiment=own, registry__model=own)


def cut_off(server: MlflowServer, victim: str, request: str, *arguments) -> tuple[int, str]:
    """Run Python; when MLflow has answered a request, SIGKILL to MLflow, which starts again, or to the process.

    Returns the exit status of the process and its output.
    """
    log = server.folder / "server.log"
    seen = log.stat().st_size
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while request not in log.read_bytes()[seen:].decode() and process.poll() is None:
        time.sleep(0.002)
    if victim == "MLflow":
        server.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    output = process.communicate()[0]
    if victim == "MLflow":
        server.start()
    return process.returncode, output


@pytest.mark.parametrize(
    ("victim", "request_name"), [("MLflow", MOMENTS[-1]), *(("the builder", moment) for moment in MOMENTS)]
)
def test_a_registration_that_was_cut_off_is_finished_by_the_next(server, place, faults, victim, request_name):
    portfolio = write_small_portfolio(place.parent / "portfolio")
    _, output = cut_off(
        server, victim, request_name, TESTS / "support" / "concurrent_register.py", place, portfolio, "build-1"
    )
    answers = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    assert all("error" in answer for answer in answers), "the kill came too late"
    # Another build of the same, and the first one's own retry, at the same time.
    answers = register_at_once(place, portfolio, "build-1", "build-2")
    registry = load_config(place).registry
    client = mlflow.MlflowClient(server.uri, server.uri)
    assert len(answers) == 2
    check_one_of_each(client, registry, answers)
    assert builds_of(client.get_model_version(registry.model, answers[0]["version"]).tags) == ["build-1", "build-2"]
    faults(f"SIGKILL of {victim} during a registration")


PROMOTE = """
import sys
from pathlib import Path
from palm.config.load import load_config
from palm.artifacts.verdict import Judgement
from palm.errors import PalmError
from palm.promotion import promotions
judgement = Judgement(passed=True, reason="good", against="1")
try:
    promotions(load_config(Path(sys.argv[1]))).promote("2", judgement, who="cut off")
except PalmError:
    sys.exit(3)
"""


@pytest.mark.parametrize(
    ("victim", "request_name"),
    [
        ("MLflow", "model-versions/create"),
        ("the promoter", "model-versions/create"),
        ("the promoter", "registered-models/alias"),
    ],
)
def test_a_promotion_that_was_cut_off_is_finished_by_the_next(server, place, faults, victim, request_name):
    config = load_config(place)
    client = make_versions(config.registry, 2)
    promote(config, "1")
    assert cut_off(server, victim, request_name, "-c", PROMOTE, place)[0] != 0, "the kill came too late"
    champion = promotions(config).champion()
    again = promote(config, "2", against=champion)
    assert again.promoted and again.previous_version == "1"
    found = promotions(config).history()
    assert [entry.after for entry in found.entries if entry.valid] == ["1", "2"]
    assert found.alias == "2" and not found.problems
    assert client.get_model_version(config.registry.model, "2").tags["palm.verdict"] == "promoted"
    faults(f"SIGKILL of {victim} during a promotion")
