"""Builders that register the same portfolio at once.

As a program, its arguments are a configuration, a portfolio folder and a build id for each builder; it prints one JSON
object for each: its registration, or its error.
"""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import mlflow.pyfunc
from support.at_once import at_once
from support.small_portfolio import register_small

from palm.config.load import load_config
from palm.errors import PalmError

TESTS = Path(__file__).parents[1]


def register_at_once(path: Path, portfolio: Path, *build_ids: str) -> list[dict]:
    done = subprocess.run(
        [sys.executable, __file__, str(path), str(portfolio), *build_ids],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}"},
    )
    assert done.returncode == 0, done.stderr
    # MLflow writes lines of its own.
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def parents_and_children(client: mlflow.MlflowClient, registry) -> tuple[list, list]:
    runs = client.search_runs([client.get_experiment_by_name(registry.experiment).experiment_id])
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    return [run for run in runs if run not in children], children


def check_one_of_each(client: mlflow.MlflowClient, registry, answers: list[dict]) -> None:
    """There is one version, one parent and one child for each policy, and all builders got the same answer."""
    assert answers and not any("error" in answer for answer in answers), answers
    assert all(answer == answers[0] for answer in answers)
    (version,) = client.search_model_versions(f"name = '{registry.model}'")
    assert (str(version.version), version.run_id) == (answers[0]["version"], answers[0]["run_id"])
    assert str(client.get_model_version_by_alias(registry.model, "challenger").version) == answers[0]["version"]
    parents, children = parents_and_children(client, registry)
    assert [run.info.run_id for run in parents] == [answers[0]["run_id"]]
    assert sorted(run.data.tags["palm.policy"] for run in children) == ["policy-a", "policy-b", "policy-c"]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {answers[0]["run_id"]}
    assert {run.info.status for run in children} == {"FINISHED"}
    assert all({"objective", "train/loss"} <= run.data.metrics.keys() for run in children)


def attempt(path: str, portfolio: str, build_id: str) -> dict:
    try:
        return register_small(load_config(Path(path)), Path(portfolio), build_id).model_dump(mode="json")
    except PalmError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    path, portfolio, *build_ids = sys.argv[1:]
    for answer in at_once([partial(attempt, path, portfolio, build_id) for build_id in build_ids]):
        print(json.dumps(answer or {"error": "it died"}))
