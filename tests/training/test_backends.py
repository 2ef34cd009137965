import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from support.trainings import add_late_reward, resample, train
from support.workspace import edit_config
from transformers import GPT2Config, GPT2LMHeadModel

from palm.artifacts.evaluation import Evaluation, Reference
from palm.builds.inputs import check_inputs
from palm.config.load import load_config
from palm.config.training import Lora
from palm.errors import TrainingError
from palm.models.generate import generate
from palm.models.load import load_model, load_tokenizer
from palm.models.policies import PolicySet
from palm.steps.evaluate_policies import evaluate_policy
from palm.steps.prepare_base_model import prepare_base_model
from palm.steps.sample_reference import sample_reference
from palm.storage.digest import file_digest, folder_digests
from palm.training.adapters import new_policy, save_policy


def evaluate(folder, name: str) -> Evaluation:
    return evaluate_policy(
        load_config(folder / "portfolio.yaml"),
        policy=folder / name,
        base_model=folder / "base",
        rollouts=folder / "rollouts",
        destination=folder / f"{name}-evaluation",
    )


ONLINE = {
    "training__warm_start": "none",
    "training__steps": 40,
    "training__learning_rate": 0.003,
    "training__responses_per_prompt": 8,
    "training__micro_batch_size": 32,
}
OFFLINE = {"training__rwr": {"learning_rate": 0.003}}


@pytest.mark.parametrize(("backend", "settings"), [("rloo", ONLINE), ("grpo", ONLINE), ("rwr", OFFLINE)])
def test_training_raises_the_scalarised_objective(built, backend, settings):
    """Each backend, both corners: J and the weighted reward well above the reference's on held-out prompts."""
    settings = {**settings, "training__backend": backend, "evaluation": {"samples_per_prompt": 32}}
    for index, weights in enumerate([(1.0, 0.0), (0.0, 1.0)]):
        assert not train(built, f"policy{index}", weights, **settings).reused
        measured, config = evaluate(built, f"policy{index}"), load_config(built / "portfolio.yaml")
        reference = Reference.read(built / "rollouts")
        name = config.reward_names[index]
        assert measured.gain.mean > 2 * measured.gain.standard_error > 0, measured
        assert measured.rewards[name].mean > reference.rewards[name].mean + 0.05
        assert measured.kl.mean > 0
        vector = [measured.rewards[key].mean - config.beta * measured.kl.mean for key in config.reward_names]
        assert measured.value_vector == pytest.approx(vector)
        assert measured.objective.mean == pytest.approx(np.dot(weights, vector))


def test_training_is_reproducible_and_named_by_what_matters(built):
    first, again = train(built, "one"), train(built, "two", storage__root="other-store")
    assert again.policy == first.policy and not again.reused
    names = {path.name for path in (built / "one").iterdir()}
    assert names == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "answers.json",
        "policy.json",
        "training_log.json",
    }
    one, two = (file_digest(built / name / "adapter_model.safetensors") for name in ("one", "two"))
    assert one == two
    assert train(built, "reused") == again.model_copy(update={"reused": True})
    assert file_digest(built / "reused" / "adapter_model.safetensors") == one
    assert train(built, "three", training__seed=1).policy != first.policy
    assert train(built, "four", (0.0, 1.0), training__seed=0).policy != first.policy
    assert train(built, "five", registry__model="renamed", selection__size=1).policy == first.policy
    rewards = built / "rewards.py"
    rewards.write_text(rewards.read_text().replace("20", "10"))
    resample(built)
    assert train(built, "six").policy != first.policy


def test_a_reward_that_fails_in_training_stops_it_and_leaves_nothing(built):
    add_late_reward(built, fails_with=16)
    with pytest.raises(Exception, match="reward 'late' gave None"):
        train(built, "policy", (0.5, 0.5), training__warm_start="none")
    assert not (built / "policy").exists()
    assert not list((built / "store").glob("policy-*"))


def test_an_adapter_that_is_not_finite_is_not_saved(built, tmp_path):
    train(built, "policy")
    policy = PolicySet(load_model(built / "base")).add("policy", built / "policy")
    weight = next(weight for name, weight in policy.model.named_parameters() if "lora_B" in name)
    weight.data[0, 0] = float("nan")
    with pytest.raises(TrainingError, match="is not finite"):
        save_policy(policy.model, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_equal_adapters_are_equal_files_wherever_the_base_model_was(base_model, tmp_path):
    """Two builds of one content are one version in the registry."""
    shutil.copytree(base_model, tmp_path / "elsewhere")
    for name, place in (("here", base_model), ("there", tmp_path / "elsewhere")):
        save_policy(new_policy(load_model(place).model, Lora(rank=2, alpha=2), seed=0), tmp_path / name)
    assert folder_digests(tmp_path / "here") == folder_digests(tmp_path / "there")
    config = json.loads((tmp_path / "here/adapter_config.json").read_text())
    # A set's order is another in every process.
    assert config["target_modules"] == sorted(config["target_modules"])


def test_a_folder_model_without_chat_template_and_with_absolute_positions(workspace, base_model):
    """Plain-text prompts, padding by the end token, GPT-2's learned positions: all stages still agree."""
    tokenizer = load_tokenizer(base_model)
    tokenizer.chat_template = None
    tokenizer.pad_token = tokenizer.eos_token
    torch.manual_seed(0)
    size = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64, "vocab_size": len(tokenizer)}
    model = GPT2LMHeadModel(GPT2Config(**size, eos_token_id=tokenizer.eos_token_id, bos_token_id=None))
    model.save_pretrained(workspace / "gpt2")
    tokenizer.save_pretrained(workspace / "gpt2")
    config = load_config(edit_config(workspace, base_model={"source": "./gpt2"}))
    check_inputs(config)
    prepare_base_model(config, workspace / "base")
    sample_reference(config, workspace / "base", workspace / "rollouts")
    train(workspace, "policy")
    assert evaluate(workspace, "policy").kl.mean > 0
    policy = PolicySet(load_model(workspace / "base")).add("policy", workspace / "policy")
    alone = generate(policy, ["say tea"], max_new_tokens=8, batch_size=1, seed=0, temperature=0)[0]
    beside = generate(
        policy, ["say tea", "say a much longer thing"], max_new_tokens=8, batch_size=2, seed=0, temperature=0
    )
    assert beside[0] == alone


@pytest.mark.parametrize("backend", ["rloo", "rwr"])
def test_full_fine_tuning_moves_every_weight_and_is_measured_against_the_base_model(built, backend):
    full = {"training__lora": None, "training__learning_rate": 0.002, "training__rwr": {"learning_rate": 0.002}}
    settings = ONLINE | full | {"training__backend": backend, "training__steps": 8}
    record = train(built, "policy", **settings, evaluation={"samples_per_prompt": 32})
    assert record.guard is None
    assert not (built / "policy" / "adapter_config.json").exists()
    before, after = (load_file(built / name / "model.safetensors") for name in ("base", "policy"))
    assert before.keys() == after.keys()
    assert all((before[name] != after[name]).any() for name in before), "a weight was not trained"
    measured = evaluate(built, "policy")
    assert measured.kl.mean > 0.01
    assert measured.gain.mean > 2 * measured.gain.standard_error


@pytest.mark.parametrize("backend", ["rloo", "grpo", "rwr"])
def test_less_memory_trains_the_same_policy(trained, backend):
    """Smaller micro-batches and recomputed activations: the same step, up to rounding."""
    training = {
        "backend": backend,
        "warm_start": "none",
        "steps": 1,
        "prompts_per_step": 4,
        "responses_per_prompt": 4,
        "micro_batch_size": 16,
        "learning_rate": 0.003,
        "warmup_steps": 0,
        "rwr": {"batch_size": 1024, "learning_rate": 0.003},
    }
    _, plain = trained("plain", training=training)
    expected = load_file(plain / "adapter_model.safetensors")
    smaller = {"micro_batch_size": 4, "rwr": {**training["rwr"], "micro_batch_size": 256}}
    for name, changes in (("smaller", smaller), ("recomputed", {"activation_checkpointing": True})):
        _, folder = trained(name, training={**training, **changes})
        for key, weight in load_file(folder / "adapter_model.safetensors").items():
            if "lora_B" in key:  # In one step from zero only these move.
                assert np.abs(weight).max() > 1e-3
                assert np.abs(weight - expected[key]).mean() < 0.01 * np.abs(expected[key]).mean(), (name, key)
