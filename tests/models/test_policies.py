import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.untrained import random_policy

from palm.errors import ModelError
from palm.models.generate import generate
from palm.models.load import load_model
from palm.models.policies import PolicySet, is_adapter
from palm.training.adapters import save_policy

PROMPTS = ["say tea", "tell stone and bread", "oak"]
OPTIONS = {"max_new_tokens": 8, "batch_size": 3, "seed": 0}


@pytest.fixture(scope="module")
def folders(base_model, tmp_path_factory):
    place = tmp_path_factory.mktemp("policies")
    for seed, name in enumerate(["first", "second"]):
        save_policy(random_policy(base_model, seed=seed, std=0.3), place / name)
    random_policy(base_model, seed=1, std=0.3).merge_and_unload().save_pretrained(place / "whole")
    return {path.name: path for path in place.iterdir()}


def logits(model):
    with torch.inference_mode():
        return model(torch.tensor([[5, 9, 30, 7]])).logits


def test_each_kind_differs_from_the_base_model_and_refers_to_it(base_model, folders):
    expected = logits(load_model(base_model).model)
    policies = PolicySet(load_model(base_model))
    for name in ("whole", "first", "second"):
        policy = policies.add(name, folders[name])
        assert not torch.allclose(logits(policy.model), expected, atol=0.01)
        with policy.reference() as reference:
            assert torch.equal(logits(reference), expected)
    whole, second = (logits(policies.use(name).model) for name in ("whole", "second"))
    assert torch.allclose(whole, second, atol=1e-4)
    with policies.use("whole").reference() as reference:
        assert torch.equal(logits(reference), expected)


def test_other_policies_do_not_change_a_policy(base_model, folders):
    """Bit for bit the same logits and responses alone, after others came and went, and beside others."""
    alone = {}
    for name, folder in folders.items():
        policy = PolicySet(load_model(base_model)).add(name, folder)
        alone[name] = logits(policy.model), generate(policy, PROMPTS, **OPTIONS)
    assert len({tuple(response.text for response in answers) for _, answers in alone.values()}) >= 2
    together, passing = PolicySet(load_model(base_model)), PolicySet(load_model(base_model))
    for name, folder in folders.items():
        together.add(name, folder)
        policy = passing.add(name, folder)
        assert torch.equal(logits(policy.model), alone[name][0])
        assert generate(policy, PROMPTS, **OPTIONS) == alone[name][1]
        passing.remove(name)
        assert name not in passing
    for name in reversed(folders):
        policy = together.use(name)
        assert torch.equal(logits(policy.model), alone[name][0])
        assert generate(policy, PROMPTS, **OPTIONS) == alone[name][1]


def test_a_removed_policy_leaves_the_base_model_as_it_was(base_model, folders):
    expected = logits(load_model(base_model).model)
    policies = PolicySet(load_model(base_model))
    for name in ("first", "whole"):
        policies.add(name, folders[name])
        policies.remove(name)
    with policies.reference() as reference:
        assert torch.equal(logits(reference), expected)
        assert not [name for name, _ in reference.named_parameters() if "lora" in name]


def test_names_are_unique_and_must_be_known(base_model, folders):
    policies = PolicySet(load_model(base_model))
    policies.add("first", folders["first"])
    with pytest.raises(ModelError, match="policy 'first': is loaded already"):
        policies.add("first", folders["second"])
    for action in (policies.use, policies.remove):
        with pytest.raises(ModelError, match="policy 'other': is not loaded"):
            action("other")


def test_kinds_are_distinguished(folders, tmp_path):
    assert is_adapter(folders["first"]) and not is_adapter(folders["whole"])
    with pytest.raises(ModelError, match="holds neither an adapter"):
        is_adapter(tmp_path)
    shutil.copytree(folders["first"], tmp_path / "pickled")
    (tmp_path / "pickled" / "adapter_model.safetensors").rename(tmp_path / "pickled" / "adapter_model.bin")
    with pytest.raises(ModelError, match=r"holds no adapter_model\.safetensors"):
        is_adapter(tmp_path / "pickled")


@pytest.mark.parametrize("change", ["missing", "in excess", "shape"])
def test_an_adapter_of_another_model_is_refused_and_leaves_nothing(base_model, folders, tmp_path, change):
    """PEFT itself would leave out what does not fit, and serve the base model."""
    shutil.copytree(folders["second"], tmp_path / "odd")
    path = tmp_path / "odd" / "adapter_model.safetensors"
    weights = load_file(path)
    key = next(iter(weights))
    if change == "missing":
        del weights[key]
    elif change == "in excess":
        weights[key.replace(".0.", ".7.")] = weights[key].clone()
    else:
        weights[key] = torch.zeros(3, 3)
    save_file(weights, path)
    policies = PolicySet(load_model(base_model))
    before = logits(policies.add("first", folders["first"]).model)
    with pytest.raises(ModelError, match=f"does not fit the base model .*{'' if change == 'shape' else change}"):
        policies.add("odd", tmp_path / "odd")
    assert "odd" not in policies
    assert torch.equal(logits(policies.use("first").model), before)
    alone = PolicySet(load_model(base_model))
    with pytest.raises(ModelError, match="does not fit"):
        alone.add("odd", tmp_path / "odd")
    assert torch.equal(logits(alone.add("first", folders["first"]).model), before)


def test_a_model_with_another_vocabulary_is_refused(base_model, tmp_path):
    model = load_model(base_model).model
    model.resize_token_embeddings(model.config.vocab_size + 8)
    model.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"has a vocabulary of \d+ tokens, the base model one of"):
        PolicySet(load_model(base_model)).add("larger", tmp_path)
