"""The exporter: a process, HTTP, a real MLflow server that dies, stops and comes back."""

import os
import signal
import time

import mlflow
import pytest
from cluster.monitoring.conftest import Runs, running_exporter, scrape, until
from support.small_portfolio import promote, registered
from support.workspace import edit_config
from typer.testing import CliRunner

from palm.artifacts.verdict import GAP_CHECK
from palm.cli.main import app
from palm.cluster.monitoring.metrics import METRICS
from palm.config.load import load_config

MLFLOW_PREFIXES = ("palm_champion_", "palm_refused_versions", "palm_promotion_log_")


@pytest.fixture
def watched(workspace, own_mlflow, monkeypatch, tmp_path):
    """A portfolio with a champion, one refused version and some runs."""
    path = edit_config(workspace, registry__tracking_uri=own_mlflow.uri, promotion__max_epsilon=0.1)
    config = load_config(path)
    registered(config, workspace, "one")
    promote(config, "1", check=GAP_CHECK)
    client = mlflow.MlflowClient(own_mlflow.uri, own_mlflow.uri)
    client.create_model_version(config.registry.model, source="palm:/nothing", await_creation_for=0)
    promote(config, "2", against="1", passed=False)
    runs = Runs(config, tmp_path, monkeypatch)
    runs.record("one", trained=[{}, {"start": "policy-x", "guard": {"message": "KL"}}], reused=[20.0])
    runs.record("two", changed=False)
    return path


def test_all_numbers_and_a_source_that_dies_hangs_and_comes_back(watched, own_mlflow):
    names = {metric.name for metric in METRICS}
    of_mlflow = {name for name in names if name.startswith(MLFLOW_PREFIXES)}
    options = ("--interval", "1", "--time-limit", "5")
    with running_exporter(watched, *options) as (address, process):
        found = until(address, lambda found: found["palm_mlflow_up"] == 1)
        now = time.time()
        absent = {"palm_last_failed_run_timestamp_seconds", "palm_usual_rebuild_device_seconds"}
        assert names - set(found) == absent
        assert found["palm_storage_up"] == 1
        for name in ("last_check_timestamp", "last_rebuild_timestamp", "champion_since_timestamp"):
            assert now - 300 < found[f"palm_{name}_seconds"] <= now
        assert found["palm_last_check_timestamp_seconds"] > found["palm_last_rebuild_timestamp_seconds"]
        assert found["palm_runs"] == {"promoted": 1, "refused": 0, "failed": 0, "unchanged": 1}
        became = {"trained_anew": 1, "continued": 1, "reused": 1, "failed": 0, "not_started": 0}
        assert found["palm_last_build_policies"] == became and found["palm_last_build_marked_policies"] == 1
        assert found["palm_last_build_device_seconds"] == 60 == found["palm_rebuild_device_seconds_total"]
        assert found["palm_last_build_saved_device_seconds"] == 20 == found["palm_rebuild_saved_device_seconds_total"]
        assert found["palm_champion_version"] == 1 and found["palm_champion_policies"] == 2
        assert found["palm_champion_gap_ratio"] == 0.05 and found["palm_champion_gap_bound_ratio"] == 0.06
        assert found["palm_gap_limit_ratio"] == 0.1
        assert found["palm_refused_versions"] == 1 and found["palm_promotion_log_problems"] == 0
        assert set(found["palm_reading_duration_seconds"]) == {"storage", "mlflow"}
        own_mlflow.kill()
        down = until(address, lambda found: found["palm_mlflow_up"] == 0)
        assert not of_mlflow & set(down) and down["palm_storage_up"] == 1
        assert down["palm_last_check_timestamp_seconds"] == found["palm_last_check_timestamp_seconds"]
        own_mlflow.start()
        until(address, lambda found: found["palm_mlflow_up"] == 1)
        # Stopped, it takes connections and never answers.
        os.killpg(own_mlflow._process.pid, signal.SIGSTOP)
        try:
            down = until(address, lambda found: found["palm_mlflow_up"] == 0)
            assert not of_mlflow & set(down)
            begun = time.monotonic()
            assert scrape(address)["palm_storage_up"] == 1 and time.monotonic() - begun < 1
            process.terminate()
            assert process.wait(10) == 0
        finally:
            os.killpg(own_mlflow._process.pid, signal.SIGCONT)


def test_a_portfolio_of_which_nothing_is_known_yet(workspace, s3):
    with running_exporter(workspace / "portfolio.yaml", "--storage-root", "s3://palm/store") as (address, _):
        found = scrape(address)
        assert found["palm_storage_up"] == found["palm_mlflow_up"] == 1
        assert found["palm_runs"] == dict.fromkeys(("promoted", "refused", "failed", "unchanged"), 0)
        assert found["palm_failed_runs_in_a_row"] == 0 and found["palm_refused_versions"] == 0
        assert not {"palm_last_check_timestamp_seconds", "palm_champion_version"} & set(found)
        port = address.split(":")[2].split("/")[0]
        answer = CliRunner().invoke(app, ["exporter", str(workspace / "portfolio.yaml"), "--port", port])
        assert answer.exit_code == 1 and f"port={port}: cannot be opened" in answer.output
