"""What a policy is named by, and that nothing else decides its adapter."""

import shutil

from support.workspace import edit_config

from palm.config.load import load_config
from palm.steps.sample_reference import sample_reference
from palm.steps.train_policy import train_policy
from palm.storage.digest import file_digest
from palm.training.spec import policy_spec

LENGTH = {"name": "length", "uri": "python:rewards.py:length"}
VOWELS = {"name": "vowels", "uri": "python:rewards.py:vowels"}
SHORT = {"name": "short", "uri": "verifier:length", "target": 3, "scale": 2}


def name(config, weights, rewards) -> str:
    return policy_spec(config, weights, base_model="b", prompts="p", rewards=rewards).name


def test_a_policy_is_named_by_the_rewards_that_weigh_in(workspace):
    two = load_config(workspace / "portfolio.yaml")
    three = load_config(edit_config(workspace, rewards=[LENGTH, VOWELS, SHORT]))
    edge = name(two, [0.25, 0.75], ["l", "v"])
    assert name(three, [0.25, 0.75, 0.0], ["l", "v", "s"]) == edge
    assert name(three, [0.0, 0.25, 0.75], ["s", "l", "v"]) == edge
    assert name(three, [0.25, 0.0, 0.75], ["l", "other", "v"]) == edge
    corner = name(two, [1.0, 0.0], ["l", "v"])
    assert name(two, [0.0, 1.0], ["other", "l"]) == corner
    others = [
        name(two, [0.25, 0.75], ["l", "other"]),
        name(two, [0.75, 0.25], ["l", "v"]),
        # Sums of floating-point numbers depend on their order, so the adapter does.
        name(two, [0.75, 0.25], ["v", "l"]),
        name(three, [0.25, 0.7, 0.05], ["l", "v", "s"]),
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
    adapters, records = set(), []
    for number, place in enumerate([None, 0, 2]):
        rewards = [LENGTH, VOWELS, SHORT]
        if place is not None:
            rewards.insert(place, {"name": "unused", "uri": "python:unused.py:unused"})
        config = load_config(edit_config(built, rewards=rewards))
        rollouts, policy = built / f"rollouts-{number}", built / f"policy-{number}"
        sample_reference(config, built / "base", rollouts)
        (built / "training").touch()
        record = train_policy(
            config,
            [weights.get(reward["name"], 0.0) for reward in rewards],
            base_model=built / "base",
            rollouts=rollouts,
            destination=policy,
        )
        assert not record.reused
        shutil.rmtree(built / "store" / record.policy)
        (built / "training").unlink()
        adapters.add(file_digest(policy / "adapter_model.safetensors"))
        records.append({key: getattr(record, key) for key in ("policy", "guard", "objective_gain", "steps", "metrics")})
    assert len(adapters) == 1
    assert records[1] == records[0] and records[2] == records[0]
