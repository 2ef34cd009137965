"""The component sample_reference in a pipeline of its own."""

from pathlib import Path

import pandas as pd
from kfp import dsl
from mini_pipeline import given, run_locally

from components.sample_reference.component import sample_reference
from palm.storage.files import read_json


def test_samples_and_scores_what_the_library_does(build, config, tmp_path):
    @dsl.pipeline
    def alone() -> dsl.Dataset:
        task = sample_reference(config=config, base_model=given(dsl.Model, build.base_model))
        return task.outputs["rollouts"]

    made = Path(run_locally(alone, tmp_path)["Output"].path)
    assert {path.name for path in made.iterdir()} == {path.name for path in build.rollouts.iterdir()}
    for name in ("reference.json", "calibration.json"):
        assert read_json(made / name) == read_json(build.rollouts / name)
    for name in ("train.parquet", "eval.parquet"):
        pd.testing.assert_frame_equal(pd.read_parquet(made / name), pd.read_parquet(build.rollouts / name))
