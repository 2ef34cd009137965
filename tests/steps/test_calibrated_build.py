"""Calibrated rewards: one scale from the reference's rollouts to the last evaluation."""

import numpy as np
import pandas as pd
import pytest
from support.workspace import edit_config

from palm.artifacts.calibration import Calibration
from palm.builds.inputs import check_inputs
from palm.config.load import load_config
from palm.config.normalisation import Quantile, Sigmoid
from palm.errors import DataError
from palm.rewards.normalisation import fit, normalise
from palm.steps.evaluate_policies import evaluate_policy
from palm.steps.prepare_base_model import prepare_base_model
from palm.steps.sample_reference import sample_reference
from palm.steps.train_policy import train_policy
from palm.storage.files import read_json, write_json

REWARDS = '''
def letters(prompts, responses, **fields):
    """How many: 0 to 16 or so."""
    return [len(text) for text in responses]

def balance(prompts, responses, **fields):
    return [text.count("e") - text.count("o") for text in responses]
'''


@pytest.fixture
def build(workspace):
    (workspace / "rewards.py").write_text(REWARDS)
    path = edit_config(
        workspace,
        rewards=[
            {"name": "letters", "uri": "python:rewards.py:letters", "normalisation": {"kind": "quantile"}},
            {"name": "balance", "uri": "python:rewards.py:balance", "normalisation": {"kind": "sigmoid"}},
        ],
        metrics=[{"name": "short", "uri": "verifier:length", "target": 2, "scale": 3}],
        training__backend="rwr",
        reference={"samples_per_prompt": 8},
    )
    config = load_config(path)
    check_inputs(config)
    prepare_base_model(config, workspace / "base")
    sample_reference(config, workspace / "base", workspace / "rollouts")
    return workspace, config


def train(config, folder, rollouts, name):
    return train_policy(config, [0.5, 0.5], base_model=folder / "base", rollouts=rollouts, destination=folder / name)


def test_every_step_uses_the_numbers_of_the_training_prompts(build):
    folder, config = build
    rollouts = folder / "rollouts"
    stored = Calibration.read(rollouts).rewards
    tables = {name: pd.read_parquet(rollouts / f"{name}.parquet") for name in ("train", "eval")}
    raw = {name: tables["train"][f"raw_{name}"].to_numpy(float) for name in ("letters", "balance")}
    kinds = {"letters": Quantile(kind="quantile"), "balance": Sigmoid(kind="sigmoid")}
    rules = {name: fit(kind, raw[name], name="r") for name, kind in kinds.items()}
    for name, rule in rules.items():
        kept = type(rule).model_validate(stored[name].normalisation)
        assert normalise(kept, raw[name]) == pytest.approx(normalise(rule, raw[name]), rel=1e-12)
        assert stored[name].responses == 64 and stored[name].raw_maximum == raw[name].max()
    assert stored["short"].normalisation == {"kind": "identity"}

    policy = train(config, folder, rollouts, "policy")
    paths = {"base_model": folder / "base", "rollouts": rollouts, "destination": folder / "evaluation"}
    evaluation = evaluate_policy(config, policy=folder / "policy", **paths)
    tables["policy"] = pd.read_parquet(folder / "evaluation" / "samples.parquet")
    for table in tables.values():
        for name, rule in rules.items():
            expected = normalise(rule, table[f"raw_{name}"].to_numpy(float))
            np.testing.assert_allclose(table[f"reward_{name}"], expected, rtol=1e-12)
        assert np.array_equal(table["metric_short"], table["raw_short"])
    assert tables["policy"]["raw_letters"].tolist() == [len(text) for text in tables["policy"]["response"]]
    assert evaluation.rewards["letters"].mean == pytest.approx(tables["policy"]["reward_letters"].mean())

    # Another calibration is another reward, so another policy; the same one is found in the store.
    again = train(config, folder, rollouts, "again")
    assert again.reused and again.policy == policy.policy
    path = rollouts / Calibration.FILE
    content = read_json(path)
    content["rewards"]["letters"]["normalisation"]["levels"][0] += 0.001
    write_json(path, content)
    other = train(config, folder, rollouts, "other")
    assert not other.reused and other.policy != policy.policy


def test_a_reward_that_changes_between_two_steps_stops_the_build(build):
    folder, config = build
    (folder / "rewards.py").write_text(REWARDS.replace("len(text)", "len(text) + 1"))
    with pytest.raises(DataError, match=r"reward 'letters'.*not scored by this reward as it is now"):
        train(config, folder, folder / "rollouts", "policy")
