"""Rebuilds that are killed at any moment, or run twice at once, end as an undisturbed one."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import mlflow
import psutil
import pytest
from support.mlflow_server import MlflowServer
from support.workspace import edit_config, make_workspace

from palm.builds.records import task_records
from palm.config.load import load_config
from palm.promotion import promotions
from palm.storage.digest import folder_digests
from palm.storage.manifest import MANIFEST

KILLS_OF_STEPS, KILLS_OF_COMMAND = 24, 6
EVENTS = 24
"""Largest number of events of a command that a kill waits for."""
DATABASE = "mlflow.db"
TIMED, TIMES = {"policy.json", "training_log.json"}, {"training_seconds", "step_time", "resumed_from_step"}
MLFLOW_DIES_IN = ("train_policy", "register_portfolio", "promote_portfolio", "report")
KEPT = ("store", "mlartifacts", "rewards.py")


class Rebuilds:
    """A workspace with a champion and a changed reward, and rebuilds of it in processes of their own."""

    def __init__(self, folder: Path):
        self.folder, self.builds = folder, []
        self.config = folder / "portfolio.yaml"
        self._log = (folder / "rebuilds.log").open("a")
        self._server = subprocess.Popen(
            [sys.executable, Path(__file__).parents[1] / "support" / "rebuild_server.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            # Calls of a dead MLflow fail soon.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"},
        )
        assert self.run() == 0, self.log()
        rewards = folder / "rewards.py"
        # Shorter is better now: no old policy is as good as before.
        rewards.write_text(rewards.read_text().replace("min(len(text), 20) / 20", "1 - min(len(text), 20) / 20"))
        for name in (*KEPT, DATABASE):
            _copy(folder / name, folder / "saved" / name)
        assert self.run() == 0, self.log()
        records = task_records(str(folder / "store"), self.builds[-1])
        self.steps = {record.step: record.ended - record.started for record in records}
        self.undisturbed = self.state()

    def run(self, **options) -> int:
        """Run a rebuild, with ``kill`` and ``pause`` as in the server; returns its exit status."""
        self.start(options)
        return self.wait()[0]

    def start(self, *rebuilds: dict) -> list[str]:
        """Start rebuilds, each of the configuration unless it names another one; returns the builds' names."""
        requests = []
        for options in rebuilds:
            build = self.folder / "builds" / f"build-{len(self.builds) + len(requests):03d}"
            places = {"config": str(self.config), "root": str(self.folder / "store"), "build": str(build)}
            requests.append({**places, **options})
        self._server.stdin.write(json.dumps(requests) + "\n")
        self._server.stdin.flush()
        self.builds += [Path(request["build"]).name for request in requests]
        return self.builds[-len(requests) :]

    def wait(self) -> list[int]:
        return json.loads(self._server.stdout.readline())

    def another_configuration(self, **changes) -> str:
        before = self.config.read_text()
        try:
            path = edit_config(self.folder, **changes)
            return str(path.replace(self.folder / "another.yaml"))
        finally:
            self.config.write_text(before)

    def restore(self) -> None:
        """Restore the state after the reward changed, in the same folder: MLflow keeps absolute paths."""
        for name in KEPT:
            _remove(self.folder / name)
            _copy(self.folder / "saved" / name, self.folder / name)
        # Only the content: MLflow in this process keeps the file open.
        with (
            closing(sqlite3.connect(self.folder / "saved" / DATABASE)) as saved,
            closing(sqlite3.connect(self.folder / DATABASE)) as database,
        ):
            saved.backup(database)

    def log(self) -> str:
        return Path(self._log.name).read_text()[-3000:]

    def state(self) -> dict:
        """Everything that the rebuilds have left, except names that are unique to each build."""
        config = load_config(self.config)
        client = mlflow.MlflowClient(config.registry.tracking_uri, config.registry.tracking_uri)
        model, store = config.registry.model, Path(config.storage.root)
        versions = client.search_model_versions(f"name = '{model}'")
        experiment = client.get_experiment_by_name(config.registry.experiment).experiment_id
        runs = client.search_runs([experiment])
        log = promotions(config).log
        return {
            "versions": sorted((str(entry.version), entry.tags["palm.content"]) for entry in versions),
            "verdicts": sorted((str(entry.version), entry.tags.get("palm.verdict")) for entry in versions),
            "aliases": {key: str(value) for key, value in client.get_registered_model(model).aliases.items()},
            "log": [(entry.before, entry.after) for entry in log.read().valid],
            "runs": sorted((run.info.run_name.split()[0], run.info.status) for run in runs),
            "entries": {
                str(place.parent.relative_to(store)): _content(place.parent)
                for place in store.rglob("manifest.json")
                if not any(part.startswith(".") for part in place.relative_to(store).parts)
            },
            "portfolio": self._portfolio(client, model),
        }

    def check(self) -> None:
        found, expected = self.state(), self.undisturbed
        entries, wanted = found.pop("entries"), expected["entries"]
        assert found == {key: expected[key] for key in found}
        assert entries.keys() == wanted.keys()
        for name, files in entries.items():
            assert (name, files) == (name, wanted[name])

    def _portfolio(self, client, model: str) -> dict:
        version = client.get_model_version_by_alias(model, "champion")
        mlflow.set_tracking_uri(load_config(self.config).registry.tracking_uri)
        path = mlflow.artifacts.download_artifacts(run_id=version.run_id, artifact_path="portfolio.json")
        return json.loads(Path(path).read_text())

    def close(self) -> None:
        self._server.stdin.close()
        assert self._server.wait() == 0


def _content(entry: Path) -> dict:
    """Digests of an entry's files, without the times in the two files that record how long a training took."""
    content = folder_digests(entry)
    for name in TIMED.intersection(content):
        content[name] = _untimed(json.loads((entry / name).read_text()))
        # The manifest holds their digests.
        content.pop(MANIFEST, None)
    return content


def _untimed(value):
    if isinstance(value, dict):
        return {key: _untimed(entry) for key, entry in value.items() if key not in TIMES}
    return [_untimed(entry) for entry in value] if isinstance(value, list) else value


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture(scope="module")
def rebuilds(tmp_path_factory, empty_registry):
    folder = make_workspace(tmp_path_factory.mktemp("rebuilds"))
    shutil.copyfile(empty_registry, folder / "mlflow.db")
    edit_config(folder, training__checkpoint_steps=1, promotion__max_loss=1.0)
    made = Rebuilds(folder)
    yield made
    made.close()


def test_the_rebuild_that_is_disturbed_trains_and_promotes(rebuilds):
    state = rebuilds.undisturbed
    assert [version for version, _ in state["versions"]] == ["1", "2"]
    assert state["log"] == [(None, "1"), ("1", "2")] and state["aliases"] == {"challenger": "2", "champion": "2"}
    assert {status for _, status in state["runs"]} == {"FINISHED"}
    plan = json.loads((rebuilds.folder / "builds" / rebuilds.builds[1] / "plan/plan.json").read_text())
    had = {(bool(training["keep"]), bool(training["start"])) for training in plan["trainings"]}
    assert (False, False) in had and len(had) > 1


def kill_often(rebuilds, attempt: Callable[[int], int], kills: int) -> None:
    """Repeat an attempt, which returns its exit status, until it was killed that often; check each that ended."""
    killed = 0
    rebuilds.restore()
    while killed < kills:
        status = attempt(killed)
        assert status in (0, -signal.SIGKILL), rebuilds.log()
        if status == 0:
            rebuilds.check()
            rebuilds.restore()
        else:
            killed += 1


def test_killed_at_random_moments_it_ends_the_same(rebuilds, faults):
    """Equally often in every step: two of them take nearly all the time of a rebuild."""
    generator = random.Random(int(os.environ.get("SEED", "6")))
    steps = [*rebuilds.steps] * (1 + KILLS_OF_STEPS // len(rebuilds.steps))
    generator.shuffle(steps)

    def attempt(killed: int) -> int:
        step = steps[killed]
        return rebuilds.run(kill=(step, generator.uniform(0, rebuilds.steps[step])))

    kill_often(rebuilds, attempt, KILLS_OF_STEPS)
    assert rebuilds.run() == 0, rebuilds.log()
    rebuilds.check()
    faults("SIGKILL of a rebuild, step by step", KILLS_OF_STEPS)


def test_the_command_and_all_its_processes_killed_it_ends_the_same(rebuilds, faults):
    generator = random.Random(7)
    command = [Path(sys.executable).with_name("palm"), "run", rebuilds.config, "--if-changed"]

    def attempt(killed: int) -> int:
        known = set((rebuilds.folder / "builds").iterdir())
        with (rebuilds.folder / "rebuilds.log").open("a") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        _wait_for_events(rebuilds.folder / "builds", known, process, generator.randrange(EVENTS))
        time.sleep(generator.uniform(0, 0.5))
        for one in [*psutil.Process(process.pid).children(recursive=True), process]:
            one.kill()
        return process.wait()

    kill_often(rebuilds, attempt, KILLS_OF_COMMAND)
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rebuilds.check()
    faults("SIGKILL of palm run and all its processes", KILLS_OF_COMMAND)


def _wait_for_events(builds: Path, known: set[Path], process: subprocess.Popen, count: int) -> None:
    while process.poll() is None:
        files = [folder / "events.jsonl" for folder in builds.iterdir() if folder not in known]
        if any(file.exists() and file.read_text().count("\n") >= count for file in files):
            return
        time.sleep(0.05)


def test_two_at_once_make_one_version(rebuilds, faults):
    rebuilds.restore()
    rebuilds.start({}, {})
    assert rebuilds.wait() == [0, 0], rebuilds.log()
    rebuilds.check()
    faults("two rebuilds at once, of the same")


def test_of_two_at_once_of_different_rewards_one_wins_and_the_other_is_judged_against_it(rebuilds, faults):
    rebuilds.restore()
    other = rebuilds.another_configuration(rewards__0__uri="python:others.py:length")
    rewards = (rebuilds.folder / "rewards.py").read_text()
    (rebuilds.folder / "others.py").write_text(rewards.replace("20) / 20", "10) / 10"))
    # The slower one has read the champion before the other one is promoted.
    slower, _ = rebuilds.start({"config": other, "pause": "select_portfolio"}, {})
    assert rebuilds.wait() == [0, 0], rebuilds.log()
    verdict = json.loads((rebuilds.folder / "builds" / slower / "summary.json").read_text())["promotion"]
    assert not verdict["promoted"] and verdict["version"] == "3" and verdict["previous_version"] == "2"
    assert "the champion is version 2 now, this was decided when it was version 1" in verdict["reason"]
    state = rebuilds.state()
    assert state["log"] == [(None, "1"), ("1", "2")] and state["aliases"] == {"challenger": "3", "champion": "2"}
    assert state["verdicts"] == [("1", "promoted"), ("2", "promoted"), ("3", None)]
    assert rebuilds.run(config=other) == 0, rebuilds.log()
    state = rebuilds.state()
    assert state["log"] == [(None, "1"), ("1", "2"), ("2", "3")]
    assert [version for version, _ in state["versions"]] == ["1", "2", "3"]
    assert state["aliases"] == {"challenger": "3", "champion": "3"} and state["verdicts"][-1] == ("3", "promoted")
    assert {status for _, status in state["runs"]} == {"FINISHED"}
    # After that nothing changes.
    assert rebuilds.run(config=other) == 0 and rebuilds.state() == state
    faults("two rebuilds at once, of different rewards")


def test_mlflow_that_dies_in_the_middle_is_told_and_the_next_rebuild_ends_the_same(rebuilds, faults):
    generator = random.Random(8)
    rebuilds.restore()
    server = MlflowServer(rebuilds.folder).start()
    try:
        served = rebuilds.another_configuration(registry__tracking_uri=server.uri)
        for step in MLFLOW_DIES_IN:
            (build,) = rebuilds.start({"config": served})
            tasks = rebuilds.folder / "store/builds" / build / "tasks"
            while not any(tasks.glob(f"{step}-*.json")):
                time.sleep(0.005)
            time.sleep(generator.uniform(0, rebuilds.steps[step]))
            server.kill()
            (status,) = rebuilds.wait()
            last = rebuilds.log().splitlines()[-1]
            assert status == 0 or last.startswith(f"error: registry.tracking_uri={server.uri}"), last
            faults("SIGKILL of MLflow during a rebuild", int(status == 1))
            server.start()
        assert rebuilds.run(config=served) == 0, rebuilds.log()
    finally:
        server.kill()
    # The configuration, which names MLflow's address, is part of the content.
    state = {**rebuilds.state(), "versions": None}
    assert state == {**rebuilds.undisturbed, "versions": None}
