"""Layers of an adapter in the model that vLLM serves: each must have its own, by name.

vLLM finds the layers of adapters and of checkpoints by the same renaming. An adapter whose layers are named as in the
base model's checkpoint therefore finds them all. An adapter that was trained on the language model alone is named
otherwise where vLLM serves the checkpoint as a vision-language model: vLLM would answer with the base model instead.
"""

import json
import re
import struct
from pathlib import Path

from palm.errors import ModelError
from palm.models.policies import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from palm.storage.files import read_json

_LENGTH = struct.Struct("<Q")
"""What a safetensors file begins with: the length of its header, in bytes."""
_PEFT_PREFIX = "base_model.model."
_UPDATE = re.compile(r"\.lora_[AB]\.weight$")
_WRAPPERS = (
    ("model.", "model.language_model."),
    ("model.language_model.", "language_model.model."),
    ("model.", "language_model.model."),
    ("model.vision_tower.", "vision_tower."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
)
"""First parts of a layer's name in transformers, and in checkpoints of vision-language models with that layer."""


def served_names(policy: str, adapter: Path, base_model: Path) -> dict[str, str]:
    """Names of an adapter's tensors that vLLM does not know, by tensor; empty if it knows all.

    Args:
        adapter: folder of a PEFT adapter.
        base_model: folder of the base model.

    Raises:
        ModelError: a tensor is no LoRA update, or its layer is not in the base model.
    """
    layers = {name.rpartition(".")[0] for path in base_model.glob("*.safetensors") for name in _tensors(path)}
    renamed = {}
    for tensor in _tensors(adapter / ADAPTER_WEIGHTS):
        name = tensor.removeprefix(_PEFT_PREFIX)
        layer = _UPDATE.sub("", name)
        served = _served(layer, layers) if layer != name else None
        if served is None:
            raise ModelError(
                f"policy {policy}: adapter tensor {tensor}",
                rule="has no layer of its own in the model that vLLM serves, which would ignore it",
                remedy="serve this version with `mlflow models serve`, or train with training.lora.layers: attention",
            )
        if served != layer:
            renamed[tensor] = _PEFT_PREFIX + served + name.removeprefix(layer)
    return renamed


def renamed_adapter(adapter: Path, names: dict[str, str]) -> dict[str, bytes]:
    """Files of an adapter with other names of its tensors; the numbers are the same bytes."""
    config = read_json(adapter / ADAPTER_CONFIG)
    config["target_modules"] = sorted({name.rpartition(".")[2] for name in config["target_modules"]})
    weights = adapter / ADAPTER_WEIGHTS
    before = _LENGTH.unpack(weights.read_bytes()[: _LENGTH.size])[0]
    header = json.dumps({names.get(name, name): entry for name, entry in _tensors(weights).items()}).encode()
    return {
        ADAPTER_CONFIG: json.dumps(config).encode(),
        ADAPTER_WEIGHTS: _LENGTH.pack(len(header)) + header + weights.read_bytes()[_LENGTH.size + before :],
    }


def _tensors(path: Path) -> dict[str, dict]:
    """Header of a safetensors file, without its metadata: name of each tensor to its entry."""
    with path.open("rb") as stream:
        header = json.loads(stream.read(_LENGTH.unpack(stream.read(_LENGTH.size))[0]))
    return {name: entry for name, entry in header.items() if name != "__metadata__"}


def _served(layer: str, layers: set[str]) -> str | None:
    candidates = [other + layer.removeprefix(first) for first, other in _WRAPPERS if layer.startswith(first)]
    return next((name for name in (layer, *candidates) if name in layers), None)
