"""The champion when many promote at once, and when one of them is killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from support.mlflow_server import USER, MlflowServer
from support.small_portfolio import make_versions, promote
from support.workspace import edit_config

from palm.config.load import load_config
from palm.promotion import promotions

TESTS = Path(__file__).parents[1]
PROMOTERS, EACH = 8, 25

APPEND_AND_DIE = """
import os, signal, sys
from palm.artifacts.verdict import Judgement
from palm.promotion import promotions
uri, model, before, after = sys.argv[1:]
log, gate = promotions(uri, model).log, Judgement(passed=True, reason="good", against=before)
log.append(log.tail(), before=before, after=after, kind="promotion", why="good", who="killed", gate=gate)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def server(tmp_path_factory):
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"), password="a-long-password-of-tests").start()
    yield server
    server.kill()


def run(arguments: list, **options) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}"}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, **options)


def test_hundreds_of_promotions_by_eight_processes_are_one_chain(server, workspace, monkeypatch, faults):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", USER)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", server.password)
    path = edit_config(workspace, registry__tracking_uri=server.uri)
    registry = load_config(path).registry
    client = make_versions(registry, 2 * PROMOTERS)
    pairs = [f"{2 * index + 1},{2 * index + 2}" for index in range(PROMOTERS)]
    done = run([TESTS / "support" / "promoters.py", path, str(EACH), *pairs])
    assert done.returncode == 0, done.stderr
    promoters = json.loads(done.stdout.splitlines()[-1])
    found = promotions(registry).log.read()
    # A chain: every promotion follows the one before, and none is lost.
    assert [entry.previous for entry in found.valid] == [0, *(entry.number for entry in found.valid[:-1])]
    assert [entry.before for entry in found.valid] == [None, *(entry.after for entry in found.valid[:-1])]
    assert not found.gaps
    # Every promoter knows which of its promotions counted.
    for promoter in promoters:
        assert promoter["won"] == [entry.number for entry in found.valid if entry.who == promoter["who"]]
    everything = (*found.valid, *found.void)
    assert len({entry.token for entry in everything}) == len(everything)
    assert str(client.get_registered_model(registry.model).aliases["champion"]) == found.head.after
    lost = sum(promoter["lost"] for promoter in promoters)
    assert len(found.valid) == PROMOTERS * EACH and 0 < len(found.void) <= lost
    faults("promotion among concurrent ones", len(found.valid))
    faults("promotion lost to another one", lost)


FIXES = {
    "a retry": lambda config: promote(config, "2", against="2").log_entry == 2,
    "the next": lambda config: promote(config, "3", against="2").previous_version == "2",
    "a refusal": lambda config: not promote(config, "3", against="2", passed=False).promoted,
    "a read": lambda config: promotions(config).champion(fix_alias=True) == "2",
    "a repair": lambda config: (
        promotions(config).repair(who="test") == ["alias champion was version 1, set to version 2"]
    ),
}


@pytest.mark.parametrize("by", FIXES)
def test_the_alias_is_fixed_after_a_promoter_was_killed(config, faults, by):
    client = make_versions(config.registry, 3)
    promote(config, "1")
    assert run(["-c", APPEND_AND_DIE, config.registry.tracking_uri, config.registry.model, "1", "2"]).returncode == -9
    alias = mlflow.MlflowClient.get_model_version_by_alias
    assert str(alias(client, config.registry.model, "champion").version) == "1"
    assert FIXES[by](config)
    found = promotions(config).history()
    assert not found.problems and found.alias == ("3" if by == "the next" else "2")
    faults("SIGKILL of a promoter")
