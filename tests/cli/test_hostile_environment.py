"""What the environment says for MLflow, the hub, S3 and Kubeflow Pipelines does not move PALM's work elsewhere."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.hostile_environment import hostile_mlflow, hostile_others
from support.published import publish
from support.small_portfolio import promote

from palm.config.load import load_config

COMMANDS = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from support.small_portfolio import register_small
from typer.testing import CliRunner
from palm.cli.main import app
from palm.config.load import load_config

folder = Path(sys.argv[1])
config = folder / "portfolio.yaml"
registration = register_small(load_config(config), folder / "portfolio-2", "build-2")
answers = {"register": [0, registration.model_dump_json(exclude={"run_id"})]}
ask = ("generate", "--config", config, "--prompt", "say tea", "--weights", "0.2,0.8", "--seed", "3", "--json")
for line in (
    ("validate", config),
    ask,
    (*ask, "--alias", "challenger"),
    ("promote", config, "--version", "2", "--override", "--reason", "test"),
    ask,
    ("pull", config, folder / "models", "--dtype", "float32"),
    ("rollback", config, "--reason", "test"),
    ask,
    ("repair", config),
    ("history", config, "--json"),
    ("gc", config, "--dry-run"),
):
    result = CliRunner().invoke(app, [str(word) for word in line])
    answers[f"{len(answers)} {line[0]}"] = [result.exit_code, result.output]
print("ANSWERS" + json.dumps(answers))
"""


@pytest.fixture
def two_registries(workspace, tmp_path_factory, base_model, empty_registry) -> str:
    """A workspace with a champion; address of another MLflow, where another portfolio of that name is champion."""
    config = load_config(workspace / "portfolio.yaml")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copyfile(empty_registry, elsewhere / "mlflow.db")
    other = config.model_copy(
        update={"registry": config.registry.model_copy(update={"tracking_uri": f"sqlite:///{elsewhere}/mlflow.db"})}
    )
    for where, folder, seed in ((config, workspace, 0), (other, elsewhere, 40)):
        publish(where, folder, base_model, seed=seed, source=str(base_model))
        promote(where, "1")
    publish_files = publish(other, elsewhere, base_model, seed=50, source=str(base_model))
    shutil.copytree(publish_files, workspace / "portfolio-2")
    promote(other, "2", against="1")
    return other.registry.tracking_uri


def answers(folder: Path, **variables: str) -> dict[str, list]:
    """Exit code and output of every command, on a copy of the workspace that takes its place afterwards."""
    kept = folder.with_name(f"{folder.name}-kept")
    shutil.copytree(folder, kept)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "AWS_", "HF_"))}
    arguments = [sys.executable, "-W", "ignore", "-c", COMMANDS, str(folder), str(Path(__file__).parents[1])]
    done = subprocess.run(arguments, capture_output=True, text=True, env=clean | variables, cwd=folder)
    shutil.rmtree(folder)
    kept.rename(folder)
    assert "ANSWERS" in done.stdout, done.stderr
    found = json.loads(done.stdout.split("ANSWERS")[1])
    return {name: [code, _without_times(text)] for name, (code, text) in found.items()}


def _without_times(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d[T ][\d:.]+(\+00:00)?|[0-9a-f]{64}", "…", text)


def test_every_command_answers_as_without_those_variables(workspace, two_registries):
    expected = answers(workspace)
    assert {code for code, _ in expected.values()} == {0}, expected
    files = sorted(path.name for path in workspace.iterdir())
    assert answers(workspace, **hostile_mlflow(two_registries), **hostile_others()) == expected
    assert sorted(path.name for path in workspace.iterdir()) == files


@pytest.mark.parametrize(
    "variables", [{"HF_ENDPOINT": "http://127.0.0.1:9"}, {"HF_HUB_OFFLINE": "1"}], ids=lambda value: next(iter(value))
)
def test_a_hub_elsewhere_gives_no_other_base_model(workspace, base_model, variables):
    config = load_config(workspace / "portfolio.yaml")
    publish(config, workspace, base_model, source="nobody/no-model")
    promote(config, "1")
    command = [Path(sys.executable).with_name("palm"), "generate", "--prompt", "say tea", "--weights", "0.2,0.8"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | variables, cwd=workspace)
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.startswith("error: base_model.source=") and done.stderr.count("\n") == 1
