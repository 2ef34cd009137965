"""A rebuild that is killed at any moment, or done twice at once, ends as one that nothing disturbed."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import mlflow
import psutil
import pytest
from conftest import edit_config, make_workspace

from palm.build_record import task_records
from palm.config_file import load_config
from palm.registry.promotion_log import PromotionLog
from palm.storage.digest import folder_digests

KILLS_OF_STEPS, KILLS_OF_COMMAND = 24, 6
DATABASE = "mlflow.db"
KEPT = ("store", "mlartifacts", "rewards.py")


class Rebuilds:
    """A workspace with a champion and a changed reward, and rebuilds of it in processes of their own."""

    def __init__(self, folder: Path):
        self.folder, self._count = folder, 0
        self.config = folder / "portfolio.yaml"
        self._log = (folder / "server.log").open("w")
        self._server = subprocess.Popen(
            [sys.executable, Path(__file__).parents[1] / "rebuild_server.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert self.run() == 0, self.log()
        rewards = folder / "rewards.py"
        # Fewer is better now: no old policy is as good as it was.
        rewards.write_text(rewards.read_text().replace("min(len(text), 20) / 20", "1 - min(len(text), 20) / 20"))
        for name in (*KEPT, DATABASE):
            _copy(folder / name, folder / "saved" / name)
        assert self.run() == 0, self.log()
        self.steps = self._seconds_of_steps()
        self.undisturbed = self.state()

    def run(self, kill: tuple[str, float] | None = None) -> int:
        """Rebuild, until so many seconds after a step has begun if it is to be killed; returns the exit status."""
        self._count += 1
        build = self.folder / "builds" / f"build-{self._count:03d}"
        request = {"config": str(self.config), "root": str(self.folder / "store"), "build": str(build), "kill": kill}
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def _seconds_of_steps(self) -> dict[str, float]:
        records = task_records(str(self.folder / "store"), f"build-{self._count:03d}")
        return {record["step"]: record["ended"] - record["started"] for record in records}

    def restore(self) -> None:
        """Back to where the reward has just changed. The same place: MLflow keeps absolute paths."""
        for name in KEPT:
            _remove(self.folder / name)
            _copy(self.folder / "saved" / name, self.folder / name)
        # Its content only: MLflow in this process keeps the file open.
        with (
            closing(sqlite3.connect(self.folder / "saved" / DATABASE)) as saved,
            closing(sqlite3.connect(self.folder / DATABASE)) as database,
        ):
            saved.backup(database)

    def log(self) -> str:
        return Path(self._log.name).read_text()[-3000:]

    def state(self) -> dict:
        """All that is left of the rebuilds, but for names that each build gives anew."""
        config = load_config(self.config)
        client = mlflow.MlflowClient(config.registry.tracking_uri, config.registry.tracking_uri)
        model, store = config.registry.model, Path(config.storage.root)
        versions = client.search_model_versions(f"name = '{model}'")
        experiment = client.get_experiment_by_name(config.registry.experiment).experiment_id
        runs = client.search_runs([experiment])
        log = PromotionLog(client, model)
        return {
            "versions": sorted((str(entry.version), entry.tags["palm.content"]) for entry in versions),
            "verdicts": sorted((str(entry.version), entry.tags.get("palm.verdict")) for entry in versions),
            "aliases": {key: str(value) for key, value in client.get_registered_model(model).aliases.items()},
            "log": [(entry.before, entry.after) for entry in log.read().valid],
            "runs": sorted((run.info.run_name.split()[0], run.info.status) for run in runs),
            "entries": {
                str(place.parent.relative_to(store)): folder_digests(place.parent)
                for place in store.rglob("manifest.json")
                if not any(part.startswith(".") for part in place.relative_to(store).parts)
            },
            "portfolio": self._portfolio(client, model),
        }

    def _portfolio(self, client, model: str) -> dict:
        version = client.get_model_version_by_alias(model, "champion")
        mlflow.set_tracking_uri(load_config(self.config).registry.tracking_uri)
        path = mlflow.artifacts.download_artifacts(run_id=version.run_id, artifact_path="portfolio.json")
        return json.loads(Path(path).read_text())

    def close(self) -> None:
        self._server.stdin.close()
        assert self._server.wait() == 0


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
    assert any(record["earlier"] for record in state["portfolio"]["policies"])


def test_killed_at_random_moments_it_ends_the_same(rebuilds, faults):
    """In every step as often as in every other: the time of a rebuild is nearly all that of two of them."""
    generator, killed = random.Random(6), 0
    steps = [*rebuilds.steps] * (1 + KILLS_OF_STEPS // len(rebuilds.steps))
    generator.shuffle(steps)
    rebuilds.restore()
    while killed < KILLS_OF_STEPS:
        step = steps[killed]
        status = rebuilds.run(kill=(step, generator.uniform(0, rebuilds.steps[step])))
        assert status in (0, -signal.SIGKILL), rebuilds.log()
        print(step, status, file=sys.stderr)
        if status == 0:
            assert rebuilds.state() == rebuilds.undisturbed
            rebuilds.restore()
        else:
            killed += 1
    assert rebuilds.run() == 0, rebuilds.log()
    assert rebuilds.state() == rebuilds.undisturbed
    faults("SIGKILL of a rebuild, step by step", killed)


def test_the_command_and_all_its_processes_killed_it_ends_the_same(rebuilds, faults):
    generator, events = random.Random(7), 40
    command = [Path(sys.executable).with_name("palm"), "run", rebuilds.config, "--if-changed"]
    rebuilds.restore()
    for _ in range(KILLS_OF_COMMAND):
        known = set((rebuilds.folder / "builds").iterdir())
        with (rebuilds.folder / "command.log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        _wait_for_events(rebuilds.folder / "builds", known, process, generator.randrange(events))
        time.sleep(generator.uniform(0, 0.5))
        for one in [*psutil.Process(process.pid).children(recursive=True), process]:
            one.kill()
        process.wait()
    faults("SIGKILL of palm run and all its processes", KILLS_OF_COMMAND)
    subprocess.run(command, check=True, capture_output=True)
    assert rebuilds.state() == rebuilds.undisturbed


def _wait_for_events(builds: Path, known: set[Path], process: subprocess.Popen, count: int) -> None:
    while process.poll() is None:
        files = [folder / "events.jsonl" for folder in builds.iterdir() if folder not in known]
        if any(file.exists() and file.read_text().count("\n") >= count for file in files):
            return
        time.sleep(0.05)


def test_two_at_once_make_one_version(rebuilds, faults):
    rebuilds.restore()
    script = f"import sys; sys.path[:0] = {sys.path!r}\nfrom rebuild_server import rebuild\nfrom pathlib import Path\n"
    script += f"rebuild(Path({str(rebuilds.config)!r}), Path(sys.argv[1]))"
    processes = [
        subprocess.Popen([sys.executable, "-c", script, rebuilds.folder / "builds" / name], stderr=subprocess.PIPE)
        for name in ("left", "right")
    ]
    errors = [process.communicate()[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert rebuilds.state() == rebuilds.undisturbed
    faults("two rebuilds at once", 1)
