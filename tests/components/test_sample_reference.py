"""The component sample_reference in a pipeline of its own."""

from typing import NamedTuple

import pandas as pd
from kfp import dsl
from support.mini_pipeline import run_locally

from palm.builds.reuse import fetched
from palm.components.sample_reference.component import sample_reference
from palm.config.load import parse_config
from palm.storage.digest import folder_digests
from palm.storage.files import read_json

Reference = NamedTuple("Reference", base_model=str, rollouts=str)


def test_makes_samples_and_scores_what_the_library_does(build, config, tmp_path):
    @dsl.pipeline
    def alone() -> Reference:
        task = sample_reference(config=config)
        return Reference(task.outputs["base_model"], task.outputs["rollouts"])

    made = run_locally(alone, tmp_path / "run")
    assert made == build.reference
    with fetched(parse_config(config).storage.root, made["base_model"], made["rollouts"]) as (base_model, rollouts):
        assert folder_digests(base_model) == folder_digests(build.base_model)
        assert {path.name for path in rollouts.iterdir()} == {path.name for path in build.rollouts.iterdir()}
        for name in ("reference.json", "calibration.json"):
            assert read_json(rollouts / name) == read_json(build.rollouts / name)
        for name in ("train.parquet", "eval.parquet"):
            pd.testing.assert_frame_equal(pd.read_parquet(rollouts / name), pd.read_parquet(build.rollouts / name))
