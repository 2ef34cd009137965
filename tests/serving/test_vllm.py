"""What vLLM is given: every adapter in full, under the names that vLLM looks for, or nothing at all.

vLLM cannot run here. It finds the layers of adapters and of checkpoints by one and the same renaming, so a layer that
is named as in the checkpoint is found.
"""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, safe_open
from support.architectures import write_model
from support.published import POLICIES, write_adapters, write_served

from palm.artifacts.routing import RoutedPolicy, Routing
from palm.config.training import Lora
from palm.errors import ModelError
from palm.models.load import load_model
from palm.serving.vllm import check_servable, vllm_files
from palm.training.adapters import new_policy, save_policy


@pytest.fixture(scope="module")
def adapters(base_model, tmp_path_factory) -> tuple[Path, Routing]:
    folder = tmp_path_factory.mktemp("served") / "portfolio"
    policies = write_adapters(folder.parent / "adapters", base_model, 0)
    routing = write_served(folder, policies, base_model, source=str(base_model))
    return folder, with_dtype(routing, "bfloat16")


def with_dtype(routing: Routing, dtype: str) -> Routing:
    return routing.model_copy(update={"base_model": routing.base_model.model_copy(update={"dtype": dtype})})


def written(routing: Routing, folder: Path, dtype: str | None = None) -> dict:
    """The configuration of vLLM, whose files are written as `palm pull` does."""
    for name, content in vllm_files(routing, folder, folder, dtype):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return yaml.safe_load((folder / "vllm.yaml").read_text())


def with_changed_adapter(adapters, **changes) -> dict:
    folder, routing = adapters
    file = folder / "adapters" / "policy-b" / "adapter_config.json"
    original = file.read_text()
    file.write_text(json.dumps({**json.loads(original), **changes}))
    try:
        check_servable(routing, folder)
        return written(routing, folder)
    finally:
        file.write_text(original)


@pytest.mark.parametrize(
    ("changes", "rank"),
    [({}, 8), ({"r": 1}, 8), ({"r": 16}, 16), ({"r": 48}, 64), ({"r": 257}, 320), ({"use_rslora": True}, 8)],
)
def test_the_rank_is_rounded_up_to_one_that_vllm_accepts(adapters, changes, rank):
    settings = with_changed_adapter(adapters, **changes)
    assert settings["max-lora-rank"] == rank and settings["max-loras"] == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"r": 513},
        {"use_dora": True},
        {"bias": "all"},
        {"modules_to_save": ["lm_head"]},
        {"trainable_token_indices": [3]},
        {"init_lora_weights": "pissa"},
        {"peft_type": "VERA"},
        # vLLM drops these, or scales all layers alike, and says nothing.
        {"target_parameters": ["experts.down_proj"]},
        {"rank_pattern": {"q_proj": 4}},
        {"alpha_pattern": {"q_proj": 4}},
        {"a_feature_of_a_later_peft": {"on": True}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_vllm_cannot_serve_is_refused(adapters, changes):
    with pytest.raises(ModelError, match=r"policy policy-b: .*vLLM"):
        with_changed_adapter(adapters, **changes)


def test_every_key_that_peft_writes_is_known(adapters):
    """A later version of PEFT must not make plain adapters unservable unseen."""
    assert with_changed_adapter(adapters)["lora-modules"][0].startswith("policy-a=")


def test_a_whole_model_and_32_bits_are_refused(adapters):
    folder, routing = adapters
    further = RoutedPolicy(policy="policy-c", value_vector=(0, 0), folder="models/policy-c")
    with pytest.raises(ModelError, match="policy policy-c: is a whole model"):
        check_servable(routing.model_copy(update={"policies": (*routing.policies, further)}), folder)
    full = with_dtype(routing, "float32")
    with pytest.raises(ModelError, match="--dtype bfloat16"):
        check_servable(full, folder)
    assert written(full, folder, "bfloat16")["dtype"] == "bfloat16"


def portfolio_over(folder: Path, architecture: str, tokenizer_of: Path, layers: str) -> tuple[Path, Routing]:
    """A portfolio of two random adapters over a base model of another architecture."""
    base = write_model(folder / "base", architecture, tokenizer_of)
    policies = {}
    for seed, name in enumerate(POLICIES):
        model = new_policy(load_model(base).model, Lora(rank=2, alpha=4, layers=layers), seed=seed)
        torch.manual_seed(seed)
        for parameter, weight in model.named_parameters():
            if "lora_B" in parameter:
                torch.nn.init.normal_(weight, std=0.3)
        policies[name] = folder / name
        save_policy(model, policies[name])
    place = folder / "portfolio"
    return place, with_dtype(write_served(place, policies, base, source=str(base)), "bfloat16")


def names(path: Path) -> set[str]:
    with safe_open(path, "pt") as stream:
        return set(stream.keys())


def numbers(tensors: dict[str, torch.Tensor]) -> list[bytes]:
    return sorted(weight.numpy().tobytes() for weight in tensors.values())


@pytest.mark.parametrize("architecture", ["llama", "qwen35", "gemma3"])
def test_every_layer_of_an_adapter_is_one_of_the_checkpoint(architecture, base_model, tmp_path):
    """A Qwen3.5 is trained as a language model, and its checkpoint is that of a vision-language model."""
    folder, routing = portfolio_over(tmp_path, architecture, base_model, "linear")
    settings = written(routing, folder)
    layers = {name.rpartition(".")[0] for name in names(folder / "base_model" / "model.safetensors")}
    for entry in settings["lora-modules"]:
        policy, _, place = entry.partition("=")
        served = load_file(Path(place) / "adapter_model.safetensors")
        wanted = {name.removeprefix("base_model.model.").split(".lora_")[0] for name in served}
        assert wanted and wanted <= layers
        trained = load_file(folder / "adapters" / policy / "adapter_model.safetensors")
        assert numbers(served) == numbers(trained)
    assert (place != str(folder / "adapters" / policy)) == (architecture != "llama")


def test_a_renamed_adapter_answers_as_the_trained_one_in_the_wrapper(base_model, tmp_path):
    """In the class that vLLM serves, by logits: transformers' own class of the whole checkpoint."""
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    folder, routing = portfolio_over(tmp_path, "qwen35", base_model, "linear")
    modules = dict(entry.split("=") for entry in written(routing, folder)["lora-modules"])
    ids = torch.tensor([[5, 6, 7, 8]])
    for policy, place in modules.items():
        trained = load_model(folder / "base_model").model
        wrapper = AutoModelForImageTextToText.from_pretrained(folder / "base_model")
        with torch.no_grad():
            plain = wrapper.eval()(input_ids=ids).logits
            found = PeftModel.from_pretrained(wrapper, place).eval()(input_ids=ids).logits
            expected = PeftModel.from_pretrained(trained, folder / "adapters" / policy).eval()(input_ids=ids).logits
        assert torch.allclose(found, expected, atol=1e-5)
        assert not torch.allclose(found, plain, atol=1e-3)


def test_adapters_of_experts_are_refused_and_those_of_attention_served(base_model, tmp_path):
    (tmp_path / "experts").mkdir()
    folder, routing = portfolio_over(tmp_path / "experts", "mixtral", base_model, "linear")
    with pytest.raises(ModelError, match=r"policy policy-a: \w+=.*: vLLM cannot serve"):
        written(routing, folder)
    (tmp_path / "attention").mkdir()
    folder, routing = portfolio_over(tmp_path / "attention", "mixtral", base_model, "attention")
    assert len(written(routing, folder)["lora-modules"]) == 2


def test_a_tensor_without_a_layer_is_named(adapters, base_model, tmp_path):
    """An adapter of a deeper model: PEFT would ignore what is in excess too."""
    folder = shutil.copytree(adapters[0], tmp_path / "portfolio")
    deeper = load_model(write_model(tmp_path / "deeper", "llama", base_model, num_hidden_layers=3)).model
    shutil.rmtree(folder / "adapters" / "policy-b")
    save_policy(new_policy(deeper, Lora(rank=2, alpha=4), seed=0), folder / "adapters" / "policy-b")
    with pytest.raises(ModelError, match=r"policy policy-b: adapter tensor base_model\.model\..*layers\.2\..*ignore"):
        written(adapters[1], folder)
