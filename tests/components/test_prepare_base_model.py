"""The component prepare_base_model in a pipeline of its own."""

from pathlib import Path

from kfp import dsl
from mini_pipeline import run_locally

from components.prepare_base_model.component import prepare_base_model
from palm.storage.digest import folder_digests


def test_makes_the_model_that_the_library_makes(build, config, tmp_path):
    @dsl.pipeline
    def alone() -> dsl.Model:
        return prepare_base_model(config=config).outputs["base_model"]

    made = run_locally(alone, tmp_path)["Output"]
    assert folder_digests(Path(made.path)) == folder_digests(build.base_model)
