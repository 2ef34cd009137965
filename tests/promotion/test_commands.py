"""palm promote, rollback, history and repair, as a person types them."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from support.cluster_commands import palm
from support.damage import flip
from support.small_portfolio import promote, register_small, write_small_portfolio
from support.workspace import edit_config

from palm.config.load import load_config
from palm.promotion import promotions
from palm.promotion.past_builds import champion_build


class Desk:
    """A person at a terminal, and a registry of three portfolios."""

    def __init__(self, workspace: Path):
        self.path = edit_config(workspace)
        self.config = load_config(self.path)
        uri = self.config.registry.tracking_uri
        self.mlflow = MlflowClient(uri, uri)
        for number in "123":
            folder = workspace / f"portfolio-{number}"
            register_small(self.config, write_small_portfolio(folder, f"weights {number}"), f"build-{number}")

    def palm(self, command: str, *options: str, code: int = 0):
        return palm(command, self.path, *options, code=code)

    def fails(self, *arguments: str) -> str:
        result = self.palm(*arguments, code=1)
        assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
        return result.stderr

    def champion(self) -> str:
        return json.loads(self.palm("history", "--json").stdout)["alias"]

    def gate(self, version: str, against: str | None, passed: bool = True) -> None:
        promote(self.config, version, against=against, passed=passed)


@pytest.fixture
def desk(workspace):
    return Desk(workspace)


def test_rollback_walks_back_and_history_shows_it(desk):
    assert "no champion before" in desk.fails("rollback")
    for version, against in (("1", None), ("2", "1"), ("3", "2")):
        desk.gate(version, against)
    back = desk.palm("rollback", "--reason", "answers got rude")
    assert back.stdout == "small: champion is version 2, was version 3 (entry 4 of the log)\n"
    assert json.loads(desk.palm("rollback", "--json").stdout)["to"] == "1" == desk.champion()
    assert "no champion before" in desk.fails("rollback")
    assert "was never champion; choose one of 2, 3" in desk.fails("rollback", "--to", "9")
    assert "is champion already" in desk.fails("rollback", "--to", "1")
    desk.palm("rollback", "--to", "3")
    assert desk.champion() == "3"
    shown = desk.palm("history").stdout
    assert "answers got rude" in shown and "3 → 2" in shown and "gap 0.05 is within 0.1" in shown
    assert "problem" not in shown and "@" in shown


def test_promotion_by_hand_needs_the_gate_or_a_reason(desk):
    assert "was never judged by the gate; to promote it all the same" in desk.fails("promote")
    desk.gate("2", None, passed=False)
    assert "was refused by the gate (gap 0.05" in desk.fails("promote", "--version", "2")
    refused = json.loads(desk.palm("history", "--json").stdout)["refused"]
    assert [(entry["version"], entry["why"]) for entry in refused] == [("2", "gap 0.05 is within 0.1")]
    assert "the gate" in desk.palm("history").stdout and refused[0]["at"]
    assert "--reason" in desk.fails("promote", "--version", "2", "--override")
    done = desk.palm("promote", "--version", "2", "--override", "--reason", "we need it now", "--json")
    assert json.loads(done.stdout)["why"] == "we need it now" and desk.champion() == "2"
    assert "(the gate: gap" in desk.palm("history").stdout
    desk.gate("1", "2")
    assert "is champion already" in desk.fails("promote", "--version", "1")
    assert "is champion already" in desk.fails("promote", "--version", "01")
    desk.palm("rollback")
    # What the gate has passed once may come back without more words.
    desk.palm("promote", "--version", "1")
    assert desk.champion() == "1"
    assert "small version 9: does not exist" in desk.fails("promote", "--version", "9")


def test_the_baseline_is_reset_by_hand(desk):
    desk.gate("1", None)
    assert "--reason" in desk.fails("promote", "--version", "1", "--reset-baseline")
    done = desk.palm("promote", "--version", "1", "--reset-baseline", "--reason", "shorter is right")
    assert done.stdout == "small: champion is version 1, was version 1 (entry 2 of the log)\n"
    assert "baseline reset: shorter is right" in desk.palm("history").stdout
    assert json.loads(desk.palm("history", "--json").stdout)["entries"][1]["baseline"] == []


def test_a_damaged_version_is_neither_promoted_nor_rolled_back_to(desk, workspace):
    desk.gate("1", None)
    desk.gate("2", "1")
    files = [path for path in (workspace / "mlartifacts").rglob("*.safetensors") if "weights 1" in path.read_text()]
    flip(files[0], files[0].stat().st_size - 1)
    error = desk.fails("rollback")
    assert "adapter_model.safetensors: sha256 is" in error and "recorded is" in error and desk.champion() == "2"
    assert "sha256 is" in desk.fails("promote", "--version", "1")
    files[1].unlink()
    files[0].unlink()
    assert "sha256 is None, recorded is" in desk.fails("rollback", "--to", "1") and desk.champion() == "2"


def test_a_moved_alias_is_reported_and_repaired(desk):
    assert desk.palm("history").stdout == "small: nothing was promoted yet\n"
    assert desk.palm("repair").stdout == "nothing to repair\n"
    desk.gate("1", None)
    desk.palm("promote", "--override", "--reason", "try")
    desk.mlflow.set_registered_model_alias("small", "champion", "2")
    assert "problem: alias champion is version 2, the log says version 3" in desk.palm("history").stdout
    assert desk.palm("repair").stdout == "alias champion was version 2, set to version 3\n"
    assert desk.champion() == "3"


def test_a_deleted_champion_is_reported_and_another_can_follow(desk):
    desk.gate("1", None)
    desk.mlflow.delete_model_version("small", "1")
    assert "problem: version 1, champion by the log, was deleted: run `palm rollback" in desk.palm("history").stdout
    assert desk.palm("repair").stdout == "nothing to repair\n"
    build = champion_build(promotions(desk.config))
    assert build.version == "1" and build.selection is None
    desk.gate("2", "1", passed=False)
    desk.palm("promote", "--version", "2", "--override", "--reason", "1 is gone")
    assert desk.champion() == "2" and "problem" not in desk.palm("history").stdout


def test_a_long_reason_is_kept_whole_where_there_is_room(desk):
    reason = "because " * 1000
    desk.palm("promote", "--override", "--reason", reason)
    entry = desk.mlflow.get_model_version("small-promotions", "1")
    # PostgreSQL refuses more, SQLite does not.
    assert entry.tags["why"] == reason and len(entry.description) <= 5000
