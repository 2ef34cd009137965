"""The component design_grid in a pipeline of its own."""

from typing import NamedTuple

from kfp import dsl
from mini_pipeline import content, given, run_locally

from components.design_grid.component import design_grid
from palm.config_file import parse_config
from palm.storage.files import read_json

Grid = NamedTuple("Grid", design=dsl.Artifact, weights=list, corners=list)


def designed(build, config: str, folder) -> dict:
    @dsl.pipeline
    def alone() -> Grid:
        task = design_grid(config=config, rollouts=given(dsl.Dataset, build.rollouts))
        return Grid(*(task.outputs[name] for name in Grid._fields))

    return run_locally(alone, folder)


def test_designs_the_grid_that_the_library_designs(build, config, tmp_path):
    made = designed(build, config, tmp_path)
    assert content(made["design"]) == read_json(build.design)
    assert made["weights"] == build.weights == [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    assert made["corners"] == [] and made["design"].metadata["policies"] == 3


def test_soups_ask_for_their_corners(build, config, tmp_path):
    parsed = parse_config(config)
    training = parsed.training.model_copy(update={"backend": "soup"})
    made = designed(build, parsed.model_copy(update={"training": training}).to_json(), tmp_path)
    assert made["corners"] == [[1.0, 0.0], [0.0, 1.0]]
