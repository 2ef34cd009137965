"""The component register_portfolio in a pipeline of its own, against a real MLflow."""

import json
from pathlib import Path

from kfp import dsl
from mini_pipeline import content, given, given_all, run_locally

from components.register_portfolio.component import register_portfolio
from palm.build_record import BUILD_VARIABLE
from palm.mlflow_connection import connected
from palm.storage.files import read_json


def test_registers_once_however_often_it_is_tried(build, config, tmp_path, monkeypatch):
    monkeypatch.setenv(BUILD_VARIABLE, "component")

    @dsl.pipeline
    def alone() -> dsl.Artifact:
        task = register_portfolio(
            config=config,
            policies=given_all(dsl.Model, build.policies),
            base_model=given(dsl.Model, build.base_model),
            design=given(dsl.Artifact, build.design),
            selection=given(dsl.Artifact, build.selection),
            plan=given(dsl.Dataset, build.plan),
        )
        return task.outputs["registration"]

    made = run_locally(alone, tmp_path / "first")["Output"]
    record, library = content(made), read_json(build.registration)
    assert record["model"] == library["model"] == made.metadata["model"]
    assert record["version"] == made.metadata["version"] != library["version"]
    assert record["run_id"] != library["run_id"]
    with connected(build.config.registry) as client:
        versions = [
            client.get_model_version(record["model"], entry["version"]).tags["palm.epsilon"]
            for entry in (record, library)
        ]
        assert versions[0] == versions[1]
    assert content(run_locally(alone, tmp_path / "again")["Output"]) == record
    # Also of policies that this build was only given, as KFP's cache gives them.
    used = Path(json.loads(config)["storage"]["root"]) / "builds" / "component" / "uses"
    assert {path.stem for path in used.iterdir()} == {
        entry["policy"] for entry in read_json(build.selection)["policies"]
    }
