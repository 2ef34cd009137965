"""The component train_policy in a pipeline of its own."""

from pathlib import Path
from typing import NamedTuple

from kfp import dsl
from mini_pipeline import given, run_locally

from components.train_policy.component import train_policy
from palm.storage.files import read_json

Trained = NamedTuple("Trained", policy=dsl.Model, metrics=dsl.Metrics)
ADAPTER = "adapter_model.safetensors"


def test_trains_the_policy_that_the_library_trains(build, config, tmp_path):
    @dsl.pipeline
    def alone(preference_weights: list) -> Trained:
        task = train_policy(
            config=config,
            preference_weights=preference_weights,
            base_model=given(dsl.Model, build.base_model),
            rollouts=given(dsl.Dataset, build.rollouts),
        )
        return Trained(task.outputs["policy"], task.outputs["metrics"])

    first = run_locally(alone, tmp_path / "first", preference_weights=build.weights[1])
    made = first["policy"]
    expected = read_json(build.policies[1] / "policy.json")
    record = read_json(Path(made.path) / "policy.json")
    timed = {key: record[key] for key in ("training_seconds", "device_seconds")}
    assert record == {**expected, **timed}
    assert (Path(made.path) / ADAPTER).read_bytes() == (build.policies[1] / ADAPTER).read_bytes()
    assert made.metadata == {
        "policy": expected["policy"],
        "weights": [0.5, 0.5],
        "backend": "rwr",
        "reused": False,
        "start": None,
        "training_seconds": record["training_seconds"],
        "guard": expected["guard"],
        "train_job": None,
    }
    shown = {"training_seconds": record["training_seconds"], "steps": expected["steps"]}
    assert first["metrics"].metadata == {**shown, "reused": 0.0}
    again = run_locally(alone, tmp_path / "again", preference_weights=build.weights[1])
    assert again["policy"].metadata == {**made.metadata, "reused": True}
    assert again["metrics"].metadata == {**shown, "reused": 1.0}
