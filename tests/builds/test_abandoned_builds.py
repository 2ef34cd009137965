"""Abandoned builds: found by their silence, closed by the next build."""

import time
from pathlib import Path

import mlflow
import pytest
from typer.testing import CliRunner

from palm.builds.abandoned import abandoned_builds, close_abandoned
from palm.builds.heartbeat import SILENT_HOURS
from palm.builds.outcome import make_outcome, read_outcome, write_outcome
from palm.builds.records import BUILD_VARIABLE, record_owner, recorded
from palm.cli.main import app
from palm.config.load import load_config
from palm.steps.detect_change import detect_change
from palm.storage.records import Records

LONG_AGO = time.time() - SILENT_HOURS * 3600 - 60


@pytest.fixture
def kept(config):
    return Records(config.storage.root)


@pytest.fixture
def start(config, kept, monkeypatch):
    """A build that has begun and was last heard of at a time."""

    def call(build: str, heard: float) -> None:
        monkeypatch.setenv(BUILD_VARIABLE, build)
        with recorded(config.storage.root, "sample_reference"):
            record_owner(config)
        kept.write(f"builds/{build}/heartbeat", {"at": heard})

    return call


def test_a_running_task_gives_signs_of_life(config, kept, monkeypatch):
    monkeypatch.setattr("palm.builds.heartbeat.BEAT_SECONDS", 0.01)
    monkeypatch.setenv(BUILD_VARIABLE, "run-1")
    with recorded(config.storage.root, "train_policy", "1 0"):
        first = kept.read("builds/run-1/heartbeat")["at"]
        for _ in range(1000):
            if kept.read("builds/run-1/heartbeat")["at"] > first:
                return
            time.sleep(0.01)
    pytest.fail("there was one sign only")


def test_the_next_build_closes_it_in_the_storage_and_in_mlflow(config, workspace, start, kept):
    start("left", LONG_AGO)
    start("next", time.time())
    detect_change(config, workspace / "changes.md")
    outcome = read_outcome(config.storage.root, "left")
    assert outcome.state == "failed" and outcome.abandoned and outcome.ended == LONG_AGO
    assert "ended without an outcome" in outcome.headline
    mlflow.set_tracking_uri(config.registry.tracking_uri)
    (run,) = mlflow.search_runs(experiment_names=["small"], output_format="list")
    assert run.info.status == "FAILED" and "ended without an outcome" in run.data.tags["mlflow.note.content"]
    assert kept.read("builds/next/outcome") is None
    assert close_abandoned(config) == []


def test_only_a_build_of_this_portfolio_that_is_silent_for_long_is_one(config, start, kept):
    for build, heard in (("beats", time.time()), ("left", LONG_AGO), ("ended", LONG_AGO), ("other", LONG_AGO)):
        start(build, heard)
    write_outcome(kept.root, make_outcome("small", "ended", [], ended=LONG_AGO, only_if_changed=False))
    kept.write("builds/other/build", {**kept.read("builds/other/build"), "name": "other"})
    kept.write("builds/older-palm/build", kept.read("builds/left/build"))
    damaged = Path(kept.root) / "builds/damaged"
    damaged.mkdir()
    (damaged / "outcome.json").write_text("{")
    assert [build.build for build in abandoned_builds(config)] == ["left"]


def test_the_build_that_looks_is_none_however_long_it_waited(config, start):
    start("this", LONG_AGO)
    assert close_abandoned(config) == []


def test_the_history_lists_it_before_and_after_it_is_closed(config, workspace, start):
    start("left", LONG_AGO)
    start("next", time.time())

    def lines() -> list[str]:
        result = CliRunner().invoke(app, ["history", str(workspace / "portfolio.yaml")])
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()

    assert load_config(workspace / "portfolio.yaml").storage == config.storage
    assert lines()[-1].startswith("build left ended without an outcome, last heard from at 20")
    assert lines()[-1].endswith(" UTC; the next run closes it")
    close_abandoned(config)
    assert lines()[-1].endswith(" UTC")
