"""The check that nothing has changed, as the one process that a schedule starts."""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import boto3
from results import Section
from support.small_portfolio import promote, small_logs, small_selection, write_small_portfolio
from support.workspace import edit_config, make_workspace
from transformers import LlamaConfig, LlamaForSequenceClassification

from palm.builds.rebuild.snapshot import take_snapshot
from palm.config.load import load_config
from palm.registry.content import Build
from palm.registry.experiment import check_reachable
from palm.registry.portfolio_registry import PortfolioRegistry
from palm.registry.runs import SNAPSHOT_FILE

# Imports all that the check imports, timed apart from its work; argument: a file of module names, made if missing.
_CHECK = """
import contextlib, importlib, json, sys, time
from pathlib import Path
config, names = Path(sys.argv[1]).read_text(), Path(sys.argv[2])
begun = time.perf_counter()
import palm.components.detect_change.component as component
for name in json.loads(names.read_text()) if names.exists() else ():
    # The rewards' own modules come from no file that import knows.
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(name)
imported = time.perf_counter()
class changes:
    path = sys.argv[3]
found = component.detect_change.python_func(config, changes)
done = time.perf_counter()
assert not found[0], Path(changes.path).read_text()
if not names.exists():
    names.write_text(json.dumps([name for name in sys.modules if not name.startswith("__")]))
print(json.dumps({"imports": imported - begun, "work": done - imported}))
"""
_ALTERNATIVE = "import mlflow, boto3"


def measure_check(folder: Path, server: str, runs: int) -> Section:
    """Time the check on SQLite and on a server.

    Args:
        folder: an empty folder but for the server's own.
        server: address of MLflow.
        runs: of each.

    Returns:
        The table.
    """
    rows = []
    for label, uri in (("SQLite", f"sqlite:///{folder}/sqlite/mlflow.db"), ("MLflow server", server)):
        config = _champion(folder / label.split()[0].lower(), uri)
        names = config.with_name("modules.json")
        _check(config, names)
        bare, checks = [], []
        for _ in range(runs):
            bare.append(_seconds([sys.executable, "-c", _ALTERNATIVE]))
            checks.append(_check(config, names))
        total, imports, work = (
            statistics.median(entry[key] for entry in checks) for key in ("total", "imports", "work")
        )
        alternative = statistics.median(bare)
        figures = [total, imports, work, alternative]
        rows.append([label, *(f"{value:.2f}" for value in figures), f"{total / alternative:.2f}"])
    note = (
        f"The component `detect_change`, 4 rewards in S3 (2 Python files, 2 classifiers) and a champion; medians "
        f"of {runs}, alternating with `python -c '{_ALTERNATIVE}'`. `work`: what is left of the process with all "
        f"modules imported. The limit was 3 s plus imports."
    )
    columns = ("MLflow", "s in all", "imports", "work", _ALTERNATIVE, "ratio")
    return Section("Operation: nothing has changed", note, columns, rows)


def _champion(folder: Path, uri: str) -> Path:
    """A workspace whose champion was made from what is there."""
    folder.mkdir(exist_ok=True)
    make_workspace(folder)
    s3, place = boto3.client("s3"), f"check/{folder.name}"
    rewards = []
    for name in ("length", "vowels"):
        s3.upload_file(str(folder / "rewards.py"), "palm", f"{place}/{name}.py")
        rewards.append({"name": name, "uri": f"python:s3://palm/{place}/{name}.py:{name}"})
    for seed, name in enumerate(("kind", "calm")):
        _classifier(folder / name)
        for path in (folder / name).iterdir():
            s3.upload_file(str(path), "palm", f"{place}/{name}/{path.name}")
        rewards.append({"name": name, "uri": f"s3://palm/{place}/{name}", "label": seed})
    path = edit_config(
        folder, rewards=rewards, registry__tracking_uri=uri, storage__root=f"s3://palm/{place}/store", design__size=5
    )
    config = load_config(path)
    check_reachable(config.registry)
    (folder / SNAPSHOT_FILE).write_text(json.dumps(take_snapshot(config)))
    portfolio, registry = write_small_portfolio(folder / "portfolio"), PortfolioRegistry(config)
    build = Build("build", portfolio, small_selection(), small_logs(), [folder / SNAPSHOT_FILE])
    made = registry.register(build)
    promote(config, made.version)
    registry.finish(made.run_id, [])
    (folder / "config.json").write_text(config.to_json())
    return folder / "config.json"


def _classifier(folder: Path) -> None:
    LlamaForSequenceClassification(
        LlamaConfig(vocab_size=64, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
    ).save_pretrained(folder)


def _check(config: Path, names: Path) -> dict[str, float]:
    arguments = [str(config), str(names), str(config.with_name("changes.md"))]
    environment = {**os.environ, "PALM_BUILD_ID": f"check-{time.time_ns()}"}
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _CHECK, *arguments], check=True, stdout=subprocess.PIPE, text=True, env=environment
    )
    return {"total": time.perf_counter() - begun, **json.loads(done.stdout.splitlines()[-1])}


def _seconds(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - begun
