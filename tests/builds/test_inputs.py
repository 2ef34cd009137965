import pytest
from support.workspace import edit_config

from palm.artifacts.base_model import BaseModel
from palm.builds.inputs import base_model_digest, base_model_files, check_data, load_inputs, scoring_definition
from palm.config.load import load_config
from palm.errors import ConfigError
from palm.steps.prepare_base_model import prepare_base_model
from palm.storage.digest import value_digest

LENGTH = {"name": "length", "uri": "python:rewards.py:length"}
VOWELS = {"name": "vowels", "uri": "python:rewards.py:vowels"}
THIRD = {"name": "third", "uri": "python:rewards.py:length"}


@pytest.mark.parametrize(
    "changes",
    [
        {"rewards": [VOWELS, LENGTH]},
        {"rewards": [LENGTH, VOWELS, THIRD]},
        {"metrics": [THIRD]},
        {"generation": {"max_new_tokens": 17}},
        {"generation": {"max_new_tokens": 16, "batch_size": 8}},
        {"rewards": [LENGTH, {**VOWELS, "normalisation": {"kind": "minmax", "low": 0, "high": 2}}]},
    ],
)
def test_scores_are_named_by_all_that_they_depend_on(workspace, changes):
    BaseModel(digest="0", source="tiny").write(workspace)

    def definition():
        config = load_config(workspace / "portfolio.yaml")
        return scoring_definition(config, load_inputs(config), workspace)

    before = definition()
    assert definition() == before
    edit_config(workspace, **changes)
    assert definition() != before


def test_a_metric_that_becomes_a_reward_is_scored_again(workspace):
    BaseModel(digest="0", source="tiny").write(workspace)
    config = load_config(edit_config(workspace, metrics=[THIRD]))
    before = scoring_definition(config, load_inputs(config), workspace)
    config = load_config(edit_config(workspace, metrics=[], rewards=[LENGTH, VOWELS, THIRD]))
    assert scoring_definition(config, load_inputs(config), workspace) != before


def test_one_reward_under_two_names_is_refused(workspace):
    config = load_config(edit_config(workspace, rewards=[LENGTH, VOWELS, THIRD]))
    with pytest.raises(ConfigError, match="rewards 'length' and 'third': are the same reward under two names"):
        check_data(config)
    scaled = {**THIRD, "normalisation": {"kind": "minmax", "low": 0, "high": 2}}
    check_data(load_config(edit_config(workspace, rewards=[LENGTH, VOWELS, scaled])))


def test_the_files_of_a_base_model_are_those_of_its_digest(workspace, base_model):
    config = load_config(edit_config(workspace, base_model={"source": str(base_model)}))
    prepare_base_model(config, workspace / "base")
    assert value_digest(base_model_files(workspace / "base")) == base_model_digest(workspace / "base")
