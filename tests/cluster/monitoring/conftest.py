"""Runs with real records, and the exporter's metrics of them over HTTP."""

import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from palm.builds.records import BUILD_VARIABLE, recorded
from palm.errors import TrainingError
from palm.steps.record_outcome import record_outcome

POLICY = {"policy": "p", "weights": [1.0, 0.0], "start": None, "device_seconds": 30.0, "guard": None}


class Runs:
    """Makes runs as tasks of a pipeline would: each records itself, the last one the outcome."""

    def __init__(self, config, folder: Path, monkeypatch):
        self._config, self._folder, self._monkeypatch = config, folder, monkeypatch
        self.root = config.storage.root

    def record(self, run: str, *, trained=(), reused=(), promoted=True, changed=True, failing=False) -> None:
        self._monkeypatch.setenv(BUILD_VARIABLE, run)
        with recorded(self.root, "detect_change") as result:
            result.update(changed=changed, lines=[])
        if failing:
            with pytest.raises(TrainingError), recorded(self.root, "train_policy", "0 1"):
                raise TrainingError("p", rule="loss is not a number", remedy="lower training.learning_rate")
        elif changed:
            self._build([{**POLICY, "reused": False, **more} for more in trained], list(reused), promoted)
        files = self._folder / f"{run}.md", self._folder / f"{run}.html"
        record_outcome(self._config, run, *files, only_if_changed=True)
        self._monkeypatch.delenv(BUILD_VARIABLE)

    def _build(self, trained: list[dict], reused: list[float], promoted: bool) -> None:
        for number, policy in enumerate(trained):
            with recorded(self.root, "train_policy", str(number)) as result:
                result.update(policy)
        with recorded(self.root, "promote_portfolio") as result:
            result.update(promoted=promoted, reason="gap", version="1")
        with recorded(self.root, "report") as result:
            result.update(
                trained=["w"] * len(trained),
                continued=["w"] * sum(policy["start"] is not None for policy in trained),
                reused=["w"] * len(reused),
                device_seconds=sum(policy["device_seconds"] for policy in trained),
                device_seconds_saved=sum(reused),
            )


@pytest.fixture
def runs(config, tmp_path, monkeypatch):
    return Runs(config, tmp_path, monkeypatch)


def scrape(address: str) -> dict:
    """Samples by name and, for a metric with a label of its own, by that label's value."""
    found = {}
    for family in text_string_to_metric_families(requests.get(address, timeout=10).text):
        for sample in family.samples:
            own = {key: value for key, value in sample.labels.items() if key != "portfolio"}
            assert sample.labels["portfolio"]
            if own:
                found.setdefault(sample.name, {})[next(iter(own.values()))] = sample.value
            else:
                found[sample.name] = sample.value
    return found


def until(address: str, holds, seconds: float = 30.0) -> dict:
    deadline = time.monotonic() + seconds
    while not holds(found := scrape(address)):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return found


@contextmanager
def running_exporter(config: Path, *options: str):
    """The command in a process of its own: its address, and the process."""
    command = [sys.executable, "-c", "from palm.cli.main import main; main()", "exporter", str(config), "--port", "0"]
    with (config.parent / "exporter.log").open("w+") as log:
        process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            line = process.stdout.readline()
            port = re.search(r"on port (\d+)", line)
            assert port, (line, (config.parent / "exporter.log").read_text())
            yield f"http://127.0.0.1:{port[1]}/metrics", process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            process.stdout.close()
