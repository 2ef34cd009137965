"""The component evaluate_policy in a pipeline of its own."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
from kfp import dsl
from mini_pipeline import given, run_locally

from components.evaluate_policy.component import evaluate_policy
from palm.storage.files import read_json

Evaluated = NamedTuple("Evaluated", evaluation=dsl.Dataset, metrics=dsl.Metrics)


def test_measures_what_the_library_measures(build, config, tmp_path):
    @dsl.pipeline
    def alone() -> Evaluated:
        task = evaluate_policy(
            config=config,
            policy=given(dsl.Model, build.policies[0]),
            base_model=given(dsl.Model, build.base_model),
            rollouts=given(dsl.Dataset, build.rollouts),
        )
        return Evaluated(task.outputs["evaluation"], task.outputs["metrics"])

    made = run_locally(alone, tmp_path)
    folder, expected = Path(made["evaluation"].path), read_json(build.evaluations[0] / "evaluation.json")
    assert read_json(folder / "evaluation.json") == expected
    pd.testing.assert_frame_equal(
        pd.read_parquet(folder / "samples.parquet"), pd.read_parquet(build.evaluations[0] / "samples.parquet")
    )
    assert made["evaluation"].metadata["policy"] == expected["policy"]
    assert made["metrics"].metadata == {
        "J": expected["objective"]["mean"],
        "J_ref": expected["objective_reference"]["mean"],
        "J_gain": expected["gain"]["mean"],
        "KL": expected["kl"]["mean"],
        "reward_length": expected["rewards"]["length"]["mean"],
        "reward_vowels": expected["rewards"]["vowels"]["mean"],
    }
