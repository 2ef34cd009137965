"""The task of a policy: its legs, its name, and that nothing else decides the policy."""

import shutil

import pytest
from support.workspace import edit_config

from palm.config.load import load_config
from palm.steps.sample_reference import sample_reference
from palm.steps.train_policy import train_policy
from palm.storage.digest import file_digest
from palm.training.task import TRAINING_REVISION, TrainingTask, training_task

LENGTH = {"name": "length", "uri": "python:rewards.py:length"}
VOWELS = {"name": "vowels", "uri": "python:rewards.py:vowels"}
SHORT = {"name": "short", "uri": "verifier:length", "target": 3, "scale": 2}


def task(config, weights=(0.25, 0.75), rewards=("l", "v"), start="") -> TrainingTask:
    return training_task(config, weights, base_model="b", prompts="p", rewards=list(rewards), start=start)


@pytest.mark.parametrize(
    ("training", "start", "legs", "name"),
    [
        ({}, "", [("rwr", None), ("rloo", 2)], "policy-d890bf1e8d34"),
        ({"backend": "grpo", "warm_start": "none"}, "", [("grpo", 2)], "policy-e71d69c3824a"),
        ({"backend": "rwr"}, "", [("rwr", None)], "policy-cd19ed773eaf"),
        ({"backend": "rwr", "warm_start": "rloo"}, "", [("rloo", 2), ("rwr", None)], "policy-ceaf2699a29d"),
        ({"backend": "soup"}, "", [("soup", None)], "policy-03fda4c251ba"),
        ({"warm_start": "soup"}, "", [("soup", None), ("rloo", 2)], "policy-fee0ad0a033a"),
        ({}, "policy-0", [("rloo", 1)], "policy-cdcb1ceb97ee"),
    ],
)
def test_legs_and_names_of_fixed_tasks(workspace, training, start, legs, name):
    """A name that changes here names other weights: raise TRAINING_REVISION, and write the new names here."""
    config = load_config(edit_config(workspace, **{f"training__{key}": value for key, value in training.items()}))
    made = task(config, start=start)
    assert [(leg.backend, leg.steps) for leg in made.legs] == legs
    assert made.legs[0].start == (start or None)
    assert (TRAINING_REVISION, made.name) == (1, name)
    assert TrainingTask.model_validate_json(made.model_dump_json()) == made


def test_the_keys_of_the_definition(workspace):
    """What is added here must change results, and then names."""
    definition = task(load_config(workspace / "portfolio.yaml"), start="policy-0").definition
    assert definition.keys() == {
        "training_revision", "base_model", "dtype", "prompts", "rewards", "beta", "generation", "reference",
        "training", "start",
    }  # fmt: skip
    assert not {"checkpoint_steps", "launcher", "train_job", "together", "min_policies"} & definition["training"].keys()


def test_the_corners_of_a_soup_are_the_policies_of_a_build_with_their_backend(workspace):
    soup = task(load_config(edit_config(workspace, training__backend="soup", training__soup={"corners": "grpo"})))
    plain = load_config(edit_config(workspace, training__backend="grpo"))
    expected = [task(plain, unit) for unit in ([1.0, 0.0], [0.0, 1.0])]
    assert list(soup.legs[0].corners) == [corner.name for corner in expected]
    assert list(soup.corners) == expected and not expected[0].corners
    assert not task(plain).corners


def test_a_policy_is_named_by_its_active_rewards(workspace):
    two = load_config(workspace / "portfolio.yaml")
    three = load_config(edit_config(workspace, rewards=[LENGTH, VOWELS, SHORT]))
    edge = task(two).name
    assert task(three, [0.25, 0.75, 0.0], "lvs").name == edge
    assert task(three, [0.0, 0.25, 0.75], "slv").name == edge
    assert task(three, [0.25, 0.0, 0.75], ["l", "other", "v"]).name == edge
    corner = task(two, [1.0, 0.0]).name
    assert task(two, [0.0, 1.0], ["other", "l"]).name == corner
    others = [
        task(two, [0.25, 0.75], ["l", "other"]).name,
        task(two, [0.75, 0.25], "lv").name,
        # Sums of floating-point numbers depend on their order, so the adapter does.
        task(two, [0.75, 0.25], "vl").name,
        task(three, [0.25, 0.7, 0.05], "lvs").name,
    ]
    assert len({edge, corner, *others}) == 2 + len(others)


UNUSED = """
from pathlib import Path

def unused(prompts, responses, **fields):
    if Path(__file__).with_name("training").exists():
        raise ValueError("called")
    return [0.5 + 0.25 * text.count("a") % 0.5 for text in responses]
"""


def test_a_reward_without_weight_decides_nothing(built):
    """By RLOO from a start by RWR: bytes and checks are the same without it, before the others and between them."""
    (built / "unused.py").write_text(UNUSED)
    weights = {"length": 0.5, "vowels": 0.3, "short": 0.2}
    adapters, policies = set(), []
    for number, place in enumerate([None, 0, 2]):
        rewards = [LENGTH, VOWELS, SHORT]
        if place is not None:
            rewards.insert(place, {"name": "unused", "uri": "python:unused.py:unused"})
        config = load_config(edit_config(built, rewards=rewards))
        rollouts, folder = built / f"rollouts-{number}", built / f"policy-{number}"
        sample_reference(config, built / "base", rollouts)
        (built / "training").touch()
        policy = train_policy(
            config,
            [weights.get(reward["name"], 0.0) for reward in rewards],
            base_model=built / "base",
            rollouts=rollouts,
            destination=folder,
        )
        assert not policy.reused
        shutil.rmtree(built / "store" / policy.policy)
        (built / "training").unlink()
        adapters.add(file_digest(folder / "adapter_model.safetensors"))
        policies.append(policy.model_dump(include={"policy", "guard", "objective_gain", "steps", "metrics"}))
    assert len(adapters) == 1
    assert policies[1] == policies[0] and policies[2] == policies[0]
